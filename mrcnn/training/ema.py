"""The running mean of the weights: it is what is validated and saved, while training goes on with the weights."""

import keras

from mrcnn.training.optimizer import copied, unscaled


class MeanWeights(keras.callbacks.Callback):
    """Puts the optimizer's running mean into the model for as long as a stage does not train.

    Weights and mean change places, so that whoever saves the model then saves the mean, and whoever saves the
    optimizer saves the weights to go on with. To be called before all callbacks that look at the weights.
    """

    def __init__(self):
        super().__init__()
        # A fresh optimizer has the weights as their mean, and one that is restored was saved with both changed over.
        self.holds_mean = True

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._exchange(to_mean=False)

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._exchange(to_mean=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._exchange(to_mean=True)

    def _exchange(self, to_mean):
        if self.holds_mean == to_mean:
            return
        for variable, mean in zip(self.model.trainable_variables, unscaled(self.model.optimizer).means, strict=True):
            value = copied(variable)
            variable.assign(mean)
            mean.assign(value)
        self.holds_mean = to_mean
