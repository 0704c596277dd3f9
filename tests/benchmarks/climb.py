"""How the smallest budget that meets a target is found: a ladder, then bisection."""

import math

from .peer_process import PeerError

SEED = 0


class Climb:
    """What one contender reaches on one problem, by budget.

    Parameters
    ----------
    contender : with `budgets`, and ``measured(problem, budget, seed)``, which returns a solution and its seconds
    problem : with ``judged(solution)``, which returns the objective and a test score
    cap : float
        CPU seconds; no rung of the ladder is begun after them.
    """

    def __init__(self, contender, problem, cap):
        self.contender, self.problem, self.cap = contender, problem, cap
        self.objectives, self.seconds, self.scores, self.note = {}, {}, {}, None

    def measured(self, budget):
        """A fit, and its seconds by each clock."""
        return self.contender.measured(self.problem, budget, SEED)

    def attempt(self, budget):
        """Fit once with `budget`; False where it failed."""
        try:
            solution, seconds = self.measured(budget)
        except Exception as error:
            self.note = f"budget {budget} failed: {error}"
            return False
        objective, score = self.problem.judged(solution)
        if not math.isfinite(objective):
            self.note = f"budget {budget} diverged"
            return False
        self.objectives[budget] = objective
        self.seconds[budget] = seconds
        self.scores[budget] = score
        return True

    def spent(self):
        return sum(seconds["cpu"] for seconds in self.seconds.values())

    def trials(self, best):
        """What was tried, in order of time."""
        return [
            {
                "budget": budget,
                "suboptimality": objective / best - 1,
                "score": self.scores[budget],
                **self.seconds[budget],
            }
            for budget, objective in self.objectives.items()
        ]

    def ladder(self, enough):
        """Climb until the objective is at most `enough`, or the time is up."""
        for budget in self.contender.budgets:
            if self.spent() > self.cap:
                self.note = f"stopped after {self.cap:g} s"
                break
            if not self.attempt(budget) or self.objectives[budget] <= enough:
                break

    def smallest_budget(self, enough):
        """The smallest budget that reaches `enough`, by bisection between two rungs; None where no rung did."""
        ascending = self.contender.budgets[0] <= self.contender.budgets[-1]
        tried = sorted(self.objectives, reverse=not ascending)
        reached = next((budget for budget in tried if self.objectives[budget] <= enough), None)
        if reached is None or reached == tried[0]:
            return reached
        failed = tried[tried.index(reached) - 1]
        while (
            (middle := _between(failed, reached)) is not None and self.spent() <= 2 * self.cap and self.attempt(middle)
        ):
            if self.objectives[middle] <= enough:
                reached = middle
            else:
                failed = middle
        return reached

    def seconds_of(self, budget):
        """What a fit takes, or None where it fails now."""
        try:
            return self.measured(budget)[1]
        except PeerError as error:
            self.note = f"budget {budget} failed when it was timed: {error}"
            return None


def _between(failed, reached):
    """A budget between the two, or None where they are within 10 % (50 % for tolerances), or next to each other."""
    middle = math.sqrt(failed * reached)
    if isinstance(reached, int):
        middle = round(middle)
        return middle if failed < middle < reached and reached > 1.1 * failed else None
    return middle if failed > 1.5 * reached else None
