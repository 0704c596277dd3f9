// An epoch of several models over the same batches: their outputs lie side by side in the rows of the tables, so that
// each row of X is read once for all.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/interrupt.hpp"
#include "base/objective.hpp"
#include "solvers/rules.hpp"

// A model that goes through the epoch.
template <class T>
struct Participant {
    Rule<T>* rule;
    size_t model;  // its place in the tables
    const double* rates;
    Penalty<T> penalty;
    double loss = 0;  // the mean over its batches; as soon as one is not finite, its weights are left alone
};

template <class T>
void run_epoch_of_many(Objective<T>& objective, std::span<Participant<T>> participants, T* W, const int64_t* order,
                       size_t n, size_t batch_size) {
    size_t n_models = objective.n_models, K = objective.n_outputs / n_models;
    Interruption interruption;
    for (size_t begin = 0, b = 0; begin < n && !interruption.stops(0); begin += batch_size, ++b) {
        size_t size = std::min(batch_size, n - begin);
        const RowGradient<T>& gradient = objective.gradient(W, order + begin, size);
        for (auto& each : participants) {
            double loss = n_models == 1 ? gradient.loss : gradient.losses[each.model];
            // what is not finite stays so, as the sum
            each.loss += loss * static_cast<double>(size) / static_cast<double>(n);
            if (std::isfinite(each.loss))
                each.rule->step(W, {each.model, n_models, K}, gradient, each.rates[b], each.penalty);
        }
    }
    interruption.rethrow();
}
