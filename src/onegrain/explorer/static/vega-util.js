// What vega-interpreter imports from vega-util, taken from the copy of it in vega.min.js.
export const { ascending, isString, DisallowedObjectProperties } = globalThis.vega;
