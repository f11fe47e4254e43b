"""Rankings by gradients of what a running model is measured on."""
