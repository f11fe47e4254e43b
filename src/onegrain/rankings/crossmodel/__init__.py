"""Rankings and measures that compare the neurons of several models on the same words."""
