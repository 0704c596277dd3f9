// The columns of X in ranges, one for each thread, so that threads add to a table of their own rows.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/column_ranges.hpp"
#include "base/csr.hpp"
#include "base/dense_rows.hpp"
#include "base/parallel.hpp"

// Keeps ranges with about as many non-zeros each, and where each row passes from one to the next, which is 4 bytes a
// row and thread. Rows whose entries are not in the order of the ranges, as a vectorizer's unsorted ones, are put in
// that order in a copy of the matrix. Sums over a row keep their order.
template <class T, class I>
class ColumnSplit {
public:
    std::vector<size_t> bounds;  // range t is [bounds[t], bounds[t + 1])

    void split(const Csr<T, I>& X, int n) {
        if (n_ == n) return;
        std::vector<size_t> count(X.n_cols + 1, 0);
        size_t total = 0, stride = std::max<size_t>(1, X.n_rows / 20000);  // some rows tell the balance
        for (size_t i = 0; i < X.n_rows; i += stride)
            for (size_t p = X.indptr[i]; p < static_cast<size_t>(X.indptr[i + 1]); ++p) ++count[X.indices[p]], ++total;
        bounds = balanced_ranges(count, total, X.n_cols, n);
        auto range_of = [&](I column) {
            int r = 0;
            while (static_cast<size_t>(column) >= bounds[r + 1]) ++r;
            return r;
        };
        cuts_.reset(new uint32_t[X.n_rows * (n - 1)]);
        std::atomic<bool> in_order = true;
        parallel(n, [&](int t) {
            for (size_t i = X.row_part(t, n); i < X.row_part(t + 1, n); ++i) {
                uint32_t* cut = &cuts_[i * (n - 1)];
                std::fill(cut, cut + n - 1, 0u);
                int last = 0;
                bool sorted = true;
                for (size_t p = X.indptr[i]; p < static_cast<size_t>(X.indptr[i + 1]); ++p) {
                    int r = range_of(X.indices[p]);
                    sorted &= r >= last;
                    last = r;
                    for (int s = r; s < n - 1; ++s) ++cut[s];
                }
                if (!sorted) in_order = false;
            }
        });
        ordered_indices_ = X.indices;
        ordered_data_ = X.data;
        if (!in_order) put_in_order(X, n, range_of);
        n_ = n;
    }

    // Adds d times the entries of row i in range t to the rows of a table.
    void scatter(const Csr<T, I>& X, size_t i, int t, const T* d, size_t K, T* G) const {
        size_t begin = X.indptr[i], end = X.indptr[i + 1];
        if (t + 1 < n_) end = begin + cuts_[i * (n_ - 1) + t];
        if (t > 0) begin += cuts_[i * (n_ - 1) + t - 1];
        ::scatter(ordered_indices_ + begin, ordered_data_ + begin, end - begin, d, K, K, G);
    }

private:
    template <class F>
    void put_in_order(const Csr<T, I>& X, int n, F range_of) {
        indices_.reset(new I[X.n_entries()]);
        data_.reset(new T[X.n_entries()]);
        parallel(n, [&](int t) {
            std::vector<size_t> next(n);
            for (size_t i = X.row_part(t, n); i < X.row_part(t + 1, n); ++i) {
                size_t begin = X.indptr[i];
                for (int r = 0; r < n; ++r) next[r] = begin + (r ? cuts_[i * (n - 1) + r - 1] : 0);
                for (size_t p = begin; p < static_cast<size_t>(X.indptr[i + 1]); ++p) {
                    size_t q = next[range_of(X.indices[p])]++;
                    indices_[q] = X.indices[p];
                    data_[q] = X.data[p];
                }
            }
        });
        ordered_indices_ = indices_.get();
        ordered_data_ = data_.get();
    }

    int n_ = 1;
    const I* ordered_indices_ = nullptr;
    const T* ordered_data_ = nullptr;
    std::unique_ptr<I[]> indices_;
    std::unique_ptr<T[]> data_;
    std::unique_ptr<uint32_t[]> cuts_;
};

template <class T, class I>
ColumnSplit<T, I> column_split_of(const Csr<T, I>&);

// Keeps equal ranges of the columns of a dense matrix.
template <class T>
struct DenseSplit {
    std::vector<size_t> bounds;

    void split(const DenseRows<T>& X, int n) {
        bounds.resize(n + 1);
        for (int t = 0; t <= n; ++t) bounds[t] = part(X.n_cols, 16, t, n);
    }

    void scatter(const DenseRows<T>& X, size_t i, int t, const T* d, size_t K, T* G) const {
        X.scatter_columns(i, bounds[t], bounds[t + 1], d, K, K, G);
    }
};

template <class T>
DenseSplit<T> column_split_of(const DenseRows<T>&);
