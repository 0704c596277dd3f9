// The interface of objectives to solvers is the gradient of a minibatch, on the rows that it touches.
#pragma once
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/parallel.hpp"

// Holds the gradient. A batch fills the buffers up to `size` rows, and the next one uses them again.
template <class T>
struct RowGradient {
    size_t size = 0;             // touched rows
    std::vector<int64_t> rows;   // their indices, each once
    std::vector<T> values;       // size x n_outputs
    std::vector<T> share;        // part of each row's penalty that this batch carries
    double loss = 0;             // mean loss of the batch
    std::vector<double> losses;  // of each model, where there are several
};

template <class T>
struct Penalty {
    double l1 = 0, l2 = 0;
};

// Returns the penalty of n weights, and adds the gradient of its smooth part to G where one is given.
template <class T>
double penalise(const Penalty<T>& p, const T* W, T* G, size_t n) {
    if (p.l1 == 0 && p.l2 == 0) return 0;
    T l2 = static_cast<T>(p.l2);
    if (G)
        for (size_t i = 0; i < n; ++i) G[i] += l2 * W[i];
    double absolute = 0;
    if (p.l1 > 0)
        for (size_t i = 0; i < n; ++i) absolute += std::abs(W[i]);
    return p.l2 / 2 * dot(W, W, n) + p.l1 * absolute;
}

template <class T>
struct Objective {
    size_t n_rows = 0, n_outputs = 1, n_samples = 0;  // of the table; rows or sequences of X
    size_t n_models = 1;                              // that share the outputs equally
    Penalty<T> penalty;
    std::atomic_flag busy;  // while a call uses the scratch memory
    virtual ~Objective() = default;
    virtual const RowGradient<T>& gradient(const T* W, const int64_t* batch, size_t n) = 0;
};
