// Stochastic dual coordinate ascent for linear models (Hsieh et al. 2008; Shalev-Shwartz & Zhang 2013).
//
// There is one a_i of K values a row, and always W = sum_i x_i a_i^T. A visit of row i touches the rows of W where x_i
// has a non-zero, however strong the penalty is. Outputs that can be taken apart go in blocks, which threads share.
//
// The intercept is not penalised, so its dual constraint is sum_i a_i = 0. It is met by the method of multipliers
// (Bertsekas 1982, chapter 2): b = center + step * sum_i a_i, and after an epoch the center moves to b.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/csr.hpp"
#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "base/prefetch.hpp"
#include "base/shuffle.hpp"
#include "linear/dual_steps.hpp"

template <class T, class I>
class DualAscent {
public:
    // c_i are the rows' weights against |W|^2 / 2; rows of weight 0 are not visited.
    DualAscent(Csr<T, I> X, const int32_t* labels, const T* c, size_t K, bool intercept,
               std::unique_ptr<DualStep<T>> step, int n_threads)
        : X_(X), labels_(labels), c_(c), K_(K), intercept_(intercept), step_(std::move(step)), n_threads_(n_threads),
          square_(X.n_rows) {
        double total = 0, weight = 0;
        for (size_t i = 0; i < X.n_rows; ++i) {
            const T* x = X.data + X.indptr[i];
            square_[i] = static_cast<T>(dot(x, x, X.indptr[i + 1] - X.indptr[i]));
            total += static_cast<double>(c[i]) * square_[i];
            weight += c[i];
        }
        // A small part of the mean square of a row hardly changes the rows' own problems; measured between 0.01 and 1
        // on rcv1, 20 newsgroups, sms. It is large enough where the weights of an output add up to many times its
        // inverse, which does not depend on the scale of X.
        intercept_step_ = static_cast<T>(std::max(0.05 * total, 20 * static_cast<double>(K)) / weight);
    }

    std::atomic_flag busy;  // while a call changes which rows rest

    size_t size() const { return X_.n_rows * K_; }
    size_t n_labels() const { return step_->separable ? std::max<size_t>(K_, 2) : K_; }
    size_t table_size() const { return (X_.n_cols + intercept_) * K_; }

    // Makes as many visits as there are `rows`, which are sorted, in random order, for each block of outputs. A row
    // that a visit does not change, as most of a hinge do not in the end, is left out for 1, 3, 7, then 15 rounds, and
    // the others have its turn (Hsieh et al. 2008, section 3.2, shrink for good instead). A (n_rows x K) and W change
    // together; the last row of W is b.
    void epoch(const int64_t* rows, size_t n, uint64_t seed, T* A, T* W) {
        int threads = threads_for(n_threads_, static_cast<double>(X_.indptr[X_.n_rows]) * K_);
        size_t block = step_->separable ? kBlock : K_;
        if (step_->separable && threads > 1 && K_ >= threads * kLeastBlock)
            block = std::min(block, (K_ + threads - 1) / threads);
        const size_t n_blocks = (K_ + block - 1) / block,
                     run = static_cast<size_t>(X_.indptr[X_.n_rows]) < kFar ? 1 : kRun;
        if (rests_.size() != n_blocks) rests_.assign(n_blocks, std::vector<Rest>(X_.n_rows));
        Interruption interruption;
        auto ascend = [&](size_t b, int t) {
            std::vector<int64_t> awake, order;
            for (size_t visits = 0, round = 0; visits < n - n / 8 && round < kRounds && !interruption.stops(t);
                 ++round) {
                awake.clear();
                for (size_t r = 0; r < n; ++r) {
                    if (rests_[b][rows[r]].left)
                        --rests_[b][rows[r]].left;
                    else
                        awake.push_back(rows[r]);
                }
                order.resize(awake.size());
                shuffle_runs(awake.data(), awake.size(), run, seed + round, order.data());
                visit(order, A, W, b * block, std::min(block, K_ - b * block), rests_[b].data(), t, interruption);
                visits += awake.size();
            }
        };
        threads = std::min(threads, static_cast<int>(n_blocks));
        parallel(threads, [&](int t) {
            for (size_t b = t; b < n_blocks; b += threads) ascend(b, t);
        });
        interruption.rethrow();
    }

    // Returns sum_i gain(a_i).
    double gain(const T* A) const {
        double total = 0;
        for (size_t i = 0; i < X_.n_rows; ++i)
            if (c_[i] > 0) total += step_->gain(A + i * K_, positive(i, 0), K_, c_[i]);
        return total;
    }

    // Moves the center to b. It must be called after an epoch.
    void move_center(const T* A, T* W) const {
        if (!intercept_) return;
        std::vector<double> sum(K_, 0.0);
        for (size_t i = 0; i < X_.n_rows; ++i)
            for (size_t k = 0; k < K_; ++k) sum[k] += A[i * K_ + k];
        for (size_t k = 0; k < K_; ++k) W[X_.n_cols * K_ + k] += intercept_step_ * static_cast<T>(sum[k]);
    }

private:
    static constexpr size_t kBlock = 64, kLeastBlock = 8, kRounds = 16;
    // So many rows stay together in a random order where X is beyond the second cache. In an order without any they
    // take up to half as long again to read. With runs of 8 the last digits of a model that is hard to fit take a fifth
    // more epochs, with runs of 4 a twentieth, and the first three digits none.
    static constexpr size_t kRun = 4, kFar = size_t(1) << 17;

    struct Rest {
        uint8_t left = 0, calm = 0;  // rounds to come without a visit; visits without a change
    };

    // Calls a row, as rows come in random order and no hardware foresees where the next one lies.
    void call_row(size_t i) const {
        size_t begin = X_.indptr[i], nnz = X_.indptr[i + 1] - begin;
        prefetch_all(X_.indices + begin, nnz);
        prefetch_all(X_.data + begin, nnz);
    }

    void call_weights(size_t i, const T* table, size_t width) const {
        for (size_t p = X_.indptr[i]; p < static_cast<size_t>(X_.indptr[i + 1]); ++p)
            prefetch_line_ends(table + static_cast<size_t>(X_.indices[p]) * K_, width);
    }

    // Returns which of the outputs from `first` on is that of the row's class.
    int positive(size_t i, size_t first) const {
        return K_ == 1 ? labels_[i] - 1 : labels_[i] - static_cast<int>(first);
    }

    // Visits the rows in this order, for the outputs [first, first + width).
    void visit(const std::vector<int64_t>& order, T* A, T* W, size_t first, size_t width, Rest* rests, int t,
               Interruption& interruption) const {
        const size_t n = order.size();
        std::vector<T> buffer(2 * width);
        T *z = buffer.data(), *a = z + width, *table = W + first, *intercept = table + X_.n_cols * K_;
        for (size_t o = 0; o < n; ++o) {
            if (o % 512 == 0 && interruption.stops(t)) return;
            if (o + kRowsAhead < n) {
                call_row(order[o + kRowsAhead]);
                prefetch_line_ends(A + order[o + kRowsAhead] * K_ + first, width);
            }
            if (K_ > 1 && o + 1 < n) call_weights(order[o + 1], table, width);  // single weights are near enough
            size_t i = order[o], begin = X_.indptr[i], nnz = X_.indptr[i + 1] - begin;
            const I* index = X_.indices + begin;
            const T* x = X_.data + begin;
            T* kept = A + i * K_ + first;
            for (size_t k = 0; k < width; ++k) z[k] = intercept_ ? intercept[k] : T(0);
            gather(index, x, nnz, table, K_, width, z);
            std::copy(kept, kept + width, a);
            step_->ascend(z, positive(i, first), width, square_[i] + (intercept_ ? intercept_step_ : T(0)), c_[i], a);
            T largest = 0;
            for (size_t k = 0; k < width; ++k) {
                T change = a[k] - kept[k];
                kept[k] = a[k];
                a[k] = change;
                largest = std::max(largest, std::abs(change));
            }
            if (largest == 0) {
                rests[i].calm = std::min(rests[i].calm + 1, 4);
                rests[i].left = (1 << rests[i].calm) - 1;
                continue;
            }
            rests[i].calm = 0;
            scatter(index, x, nnz, a, K_, width, table);
            for (size_t k = 0; intercept_ && k < width; ++k) intercept[k] += intercept_step_ * a[k];
        }
    }

    Csr<T, I> X_;
    const int32_t* labels_;
    const T* c_;
    size_t K_;
    bool intercept_;
    std::unique_ptr<DualStep<T>> step_;
    int n_threads_;
    T intercept_step_;
    std::vector<T> square_;
    std::vector<std::vector<Rest>> rests_;  // of each block
};
