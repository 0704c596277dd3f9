// The gradient of a batch of dense rows, on the columns where one of them is not 0, in the interface of SparseColumns.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/dense_rows.hpp"
#include "base/objective.hpp"
#include "base/touched_columns.hpp"

template <class T>
class DenseColumns {
public:
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

    void touch(const DenseRows<T>& X, const int64_t* batch, size_t n, const T*, size_t) {
        std::fill(count_.begin(), count_.end(), static_cast<uint32_t>(whole_ ? n : 0));
        for (size_t b = 0; b < n && !whole_; ++b) count_row(X, batch[b]);
    }

    void call_ahead(const DenseRows<T>&, const int64_t*, size_t, size_t) const {}

    void gradient(const DenseRows<T>& X, const int64_t* batch, size_t n, const T* d, size_t K, T times,
                  RowGradient<T>& out) {
        reserve(out.rows, X.n_cols + 1);
        reserve(out.share, X.n_cols + 1);
        reserve(out.values, (X.n_cols + 1) * K);
        size_t touched = 0;
        for (size_t j = 0; j < X.n_cols; ++j) {
            out.rows[touched] = static_cast<int64_t>(j);
            out.share[touched] = times * (static_cast<T>(count_[j]) * inverse_count_[j]);
            touched += count_[j] != 0;
        }
        out.size = touched;
        T* sums = out.values.data();
        if (touched < X.n_cols) {
            sums_.resize(X.n_cols * K);
            sums = sums_.data();
        }
        std::fill_n(sums, X.n_cols * K, T(0));
        for (size_t b = 0; b < n; ++b) X.scatter(batch[b], d + b * K, K, K, sums);
        if (touched == X.n_cols) return;
        for (size_t r = 0; r < touched; ++r) std::copy_n(sums + out.rows[r] * K, K, out.values.data() + r * K);
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
DenseColumns<T> batch_columns_of(const DenseRows<T>&);
