// What an objective gives to a solver: the gradient of a minibatch, on the rows that it touches.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

constexpr size_t kAhead = 16;  // non-zeros or rows between the call of a cache line and its use

// Buffers that a batch fills up to `size` rows and the next one uses again.
template <class T>
struct RowGradient {
    size_t size = 0;            // touched rows
    std::vector<int64_t> rows;  // their indices, each once
    std::vector<T> values;      // size x n_outputs
    std::vector<T> share;       // part of each row's penalty that this batch carries
    double loss = 0;            // mean loss of the batch
};

template <class T>
struct Penalty {
    double l1 = 0, l2 = 0;
};

template <class T>
struct Objective {
    size_t n_rows = 0, n_outputs = 1;
    Penalty<T> penalty;
    virtual ~Objective() = default;
    virtual const RowGradient<T>& gradient(const T* W, const int64_t* batch, size_t n) = 0;
};
