"""The order in which an objective's samples are visited."""

import numpy as np

from .._base.memmap import RUNS_OF_BLOCK


class Blocks:
    """The order of samples in objectives whose `runs` are samples that lie together: one run where X is in memory."""

    def blocks(self, shuffle):
        """The samples in blocks to be visited one after another, of runs that ``shuffle(numbers, number)`` draws."""
        # coordinates that always go in the same blocks converge slowly, and neighbours may be alike
        runs = self.runs
        if len(runs) == 1:
            return runs
        order = np.split(shuffle(np.arange(len(runs)), len(runs)), range(RUNS_OF_BLOCK, len(runs), RUNS_OF_BLOCK))
        return [np.concatenate([runs[i] for i in np.sort(chosen)]) for chosen in order]

    def order(self, shuffle):
        """The samples in a random order, by ``shuffle(samples, number)`` of each block."""
        orders = [shuffle(block, number) for number, block in enumerate(self.blocks(shuffle))]
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
