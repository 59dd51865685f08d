"""Models of Keras, run by the compiled engine where they stand."""
