"""The order in which an objective's samples are visited."""

import numpy as np


class Blocks:
    """What objectives share whose `blocks` are their `samples` in runs that are visited one after another.

    There is one run where the data are in memory; where they are read from disk, each lies together there.
    """

    def order(self, shuffle):
        """The samples in a random order, by ``shuffle(samples, number)`` of each block."""
        orders = [shuffle(block, number) for number, block in enumerate(self.blocks)]
        return orders[0] if len(orders) == 1 else np.concatenate(orders)

    def count_as(self, counts, n_samples):
        """Share a row's penalty by its count so far in a stream of `n_samples`, of which these samples are the last.

        Parameters
        ----------
        counts : ndarray of shape (n_rows,), float64
            The sum of `counts` over the stream.
        n_samples : float
        """
        self.native.count_as(counts, float(n_samples))
