// The epoch of a stochastic solver, which steps after each batch by its rule.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/interrupt.hpp"
#include "base/objective.hpp"
#include "base/parallel.hpp"
#include "solvers/steps.hpp"

// Keeps the mean of W over the steps since it began, a touched row at a time: between two touches a row does not move.
template <class T>
struct RunningMean {
    T* sum;
    int64_t* since;  // the step up to which a row is counted
    int64_t& steps;
    void before_step(const T* W, size_t K, const RowGradient<T>& gradient) {
        for (size_t r = 0; r < gradient.size; ++r) {
            size_t row = gradient.rows[r];
            T passed =
                static_cast<T>(static_cast<int64_t>(static_cast<uint64_t>(steps) - static_cast<uint64_t>(since[row])));
            for (size_t k = 0; k < K; ++k) sum[row * K + k] += passed * W[row * K + k];
            since[row] = steps;
        }
        steps = static_cast<int64_t>(static_cast<uint64_t>(steps) + 1);
    }
};

// Runs an epoch, and returns the mean loss over the batches, each before its step. It is NaN as soon as one is not
// finite, and then W is not touched more. The loss of each batch goes to `losses`, where that is not null.
template <class T>
double run_epoch(Objective<T>& objective, Rule<T>& rule, T* W, const int64_t* order, size_t n, size_t batch_size,
                 const double* rates, double clip_norm, RunningMean<T>* mean, double* losses) {
    size_t K = objective.n_outputs;
    RowGradient<T> clipped;
    double total = 0;
    Interruption interruption;
    for (size_t begin = 0, b = 0; begin < n && !interruption.stops(0); begin += batch_size, ++b) {
        size_t size = std::min(batch_size, n - begin);
        const RowGradient<T>* gradient = &objective.gradient(W, order + begin, size);
        if (losses) losses[b] = gradient->loss;
        if (!std::isfinite(gradient->loss)) return NAN;
        total += gradient->loss * static_cast<double>(size) / static_cast<double>(n);
        if (clip_norm > 0) {
            size_t n_values = gradient->size * K;
            double length = std::sqrt(dot(gradient->values.data(), gradient->values.data(), n_values));
            if (length > clip_norm) {
                clipped = *gradient;
                for (size_t i = 0; i < n_values; ++i) clipped.values[i] *= static_cast<T>(clip_norm / length);
                gradient = &clipped;
            }
        }
        if (mean) mean->before_step(W, K, *gradient);
        rule.step(W, K, *gradient, rates[b], objective.penalty);
    }
    interruption.rethrow();
    return total;
}
