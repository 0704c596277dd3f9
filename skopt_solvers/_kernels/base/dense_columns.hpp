// The columns that a batch of dense rows touches, those where one of them is not 0, in the interface of TouchedColumns.
#pragma once
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/dense_rows.hpp"
#include "base/touched_columns.hpp"

template <class T>
class DenseColumns {
public:
    std::vector<int64_t> columns;  // the first `size` are of this batch
    size_t size = 0;

    // Counts the non-zeros of each column in the given rows, once.
    void prepare(const DenseRows<T>& X, const int64_t* rows, size_t n) {
        if (!count_.empty() || X.n_cols == 0) return;
        count_.assign(X.n_cols, 0);
        for (size_t a = 0; a < n; ++a) count_row(X, rows[a]);
        whole_ = true;
        for (uint32_t c : count_) whole_ &= c == n;
        if (inverse_count_.empty()) {
            inverse_count_.assign(X.n_cols, T(0));
            for (size_t j = 0; j < X.n_cols; ++j)
                if (count_[j]) inverse_count_[j] = T(1) / count_[j];
        }
    }

    void count_as(const double* count, size_t n_columns, double times) {
        inverse_count_ = inverse_counts<T>(count, n_columns, times);
    }

    template <class F>
    void touch(const DenseRows<T>& X, const int64_t* batch, size_t n, F) {
        std::fill(count_.begin(), count_.end(), static_cast<uint32_t>(whole_ ? n : 0));
        for (size_t b = 0; b < n && !whole_; ++b) count_row(X, batch[b]);
        columns.resize(X.n_cols);
        size = 0;
        for (size_t j = 0; j < X.n_cols; ++j) {
            columns[size] = static_cast<int64_t>(j);
            size += count_[j] != 0;
        }
    }

    T part(size_t r) const { return static_cast<T>(count_[columns[r]]) * inverse_count_[columns[r]]; }

    // Adds sum_b x_b d_b^T to the values, which are rows of K for the touched columns.
    void add_rows(const DenseRows<T>& X, const int64_t* batch, size_t n, const T* d, size_t K, T* values) {
        T* sums = values;
        if (size < X.n_cols) {
            sums_.assign(X.n_cols * K, T(0));
            sums = sums_.data();
        }
        for (size_t b = 0; b < n; ++b) X.scatter(batch[b], d + b * K, K, K, sums);
        for (size_t r = 0; r < size && sums != values; ++r) std::copy_n(sums + columns[r] * K, K, values + r * K);
    }

private:
    void count_row(const DenseRows<T>& X, size_t i) {
        const T* x = X.row(i);
        for (size_t j = 0; j < X.n_cols; ++j) count_[j] += x[j] != 0;
    }

    bool whole_ = false;  // whether no entry of the rows is 0
    std::vector<uint32_t> count_;
    std::vector<T> inverse_count_, sums_;
};

template <class T>
DenseColumns<T> touched_columns_of(const DenseRows<T>&);
