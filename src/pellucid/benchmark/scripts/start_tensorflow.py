"""Process that takes one training step with TensorFlow and ends."""

import json
import sys
import time
from typing import Any


def main() -> None:
    """Import, make the model, take the step; report the seconds."""
    begin = time.perf_counter()
    import keras
    import tensorflow as tf

    imported = time.perf_counter()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile="xla" in sys.argv)  # type: ignore[untyped-decorator]
    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=labels, logits=model(images, training=True)
            )
            loss = tf.reduce_mean(losses)
        variables = model.trainable_variables
        grads = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(grads, variables, strict=True))
        return loss

    float(step(tf.zeros((64, 28, 28, 1)), tf.range(64) % 10))
    done = time.perf_counter()
    report = {"import_s": imported - begin, "first_step_s": done - imported}
    print(json.dumps(report))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
