// The labels of samples that have any number of them: each label is a binary problem of its own, and an output.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

// Refers to an indicator matrix in CSR without values, and to the factors on the weight of a sample in the problem of
// each label: where the sample has the label, and where it has not. Both are 0 for a label that is left out.
template <class T>
struct Indicator {
    const int64_t *indptr, *indices;  // increasing in a row
    const T *present, *absent;
    size_t n_rows, n_labels;
    bool plain = true;  // all other factors are 1
    std::vector<size_t> left_out = {};

    Indicator(const int64_t* indptr, const int64_t* indices, const T* present, const T* absent, size_t n_rows,
              size_t n_labels)
        : indptr(indptr), indices(indices), present(present), absent(absent), n_rows(n_rows), n_labels(n_labels) {
        for (size_t k = 0; k < n_labels; ++k) {
            if (present[k] == 0 && absent[k] == 0)
                left_out.push_back(k);
            else
                plain = plain && present[k] == 1 && absent[k] == 1;
        }
    }

    // Calls f(k - first) for each label k of a row in [first, first + width).
    template <class F>
    void each(size_t row, size_t first, size_t width, F f) const {
        const int64_t *end = indices + indptr[row + 1],
                      *at = std::lower_bound(indices + indptr[row], end, static_cast<int64_t>(first));
        for (; at < end && static_cast<size_t>(*at) < first + width; ++at) f(*at - first);
    }

    // Writes the weight of a row in the problems of the labels [first, first + width).
    void weigh(size_t row, size_t first, size_t width, T weight, T* out) const {
        for (size_t k = 0; k < width; ++k) out[k] = weight * absent[first + k];
        each(row, first, width, [&](size_t k) { out[k] = weight * present[first + k]; });
    }
};
