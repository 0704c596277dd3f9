// An epoch of several models over the same batches: their outputs lie side by side in the rows of the tables, so that
// each row of X is read once for all.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/interrupt.hpp"
#include "base/objective.hpp"
#include "solvers/steps.hpp"

// Returns the mean loss of each model over its batches, each before its step. `rates` has a row of the batches for each
// model; one whose rates are 0 has ended, and what becomes of its outputs does not matter. The same holds where a loss
// is not finite.
template <class T>
std::vector<double> run_epoch_of_many(Objective<T>& objective, Rule<T>& rule, T* W, const int64_t* order, size_t n,
                                      size_t batch_size, const double* rates,
                                      const std::vector<Penalty<T>>& penalties) {
    size_t n_models = objective.n_models, K = objective.n_outputs, each = K / n_models;
    size_t n_batches = (n + batch_size - 1) / batch_size;
    OutputSteps<T> steps;
    for (size_t k = 0; k < K; ++k) {
        const Penalty<T>& penalty = penalties[k / each];
        steps.l1.push_back(static_cast<T>(penalty.l1));
        steps.l2.push_back(static_cast<T>(penalty.l2));
        steps.decay.push_back(static_cast<T>(rule.weight_decay < 0 ? penalty.l2 : rule.weight_decay));
    }
    steps.lr.resize(K);
    std::vector<double> losses(n_models);
    Interruption interruption;
    for (size_t begin = 0, b = 0; begin < n && !interruption.stops(0); begin += batch_size, ++b) {
        size_t size = std::min(batch_size, n - begin);
        const RowGradient<T>& gradient = objective.gradient(W, order + begin, size);
        for (size_t m = 0; m < n_models; ++m) {
            double loss = n_models == 1 ? gradient.loss : gradient.losses[m];
            losses[m] += loss * static_cast<double>(size) / static_cast<double>(n);
        }
        for (size_t k = 0; k < K; ++k) steps.lr[k] = static_cast<T>(rates[k / each * n_batches + b]);
        rule.step(W, K, gradient, steps);
    }
    interruption.rethrow();
    return losses;
}
