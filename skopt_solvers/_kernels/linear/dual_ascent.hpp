// Stochastic dual coordinate ascent for linear models (Hsieh et al. 2008; Shalev-Shwartz & Zhang 2013).
//
// There is one a_i of K values a row, and always W = sum_i x_i a_i^T. A visit of row i touches the rows of W where x_i
// has a non-zero, however strong the penalty is. Outputs that can be taken apart go in blocks, which threads share.
//
// Several models of the same data lie side by side: the outputs of one after those of another. Each sees the visits
// that it would see alone, and X is read once for all.
//
// The intercept is not penalised, so its dual constraint is sum_i a_i = 0. It is met by the method of multipliers
// (Bertsekas 1982, chapter 2): b = center + step * sum_i a_i, and after an epoch the center moves to b.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "base/prefetch.hpp"
#include "base/shuffle.hpp"
#include "linear/dual_steps.hpp"
#include "linear/indicator.hpp"

template <class T, class Rows>
class DualAscent {  // Rows are those of base/csr.hpp or base/dense_rows.hpp
public:
    static constexpr size_t kMostModels = 64;

    // c_i are the rows' weights against |W|^2 / 2, one for each model; rows without any are not visited.
    // With an `indicator`, of one model, the labels are rows of it.
    DualAscent(Rows X, const int32_t* labels, const T* c, size_t K, size_t n_models, bool intercept,
               std::unique_ptr<DualStep<T>> step, int n_threads, std::shared_ptr<const Indicator<T>> indicator)
        : X_(X), labels_(labels), c_(c), K_(K), n_models_(n_models), each_(K / n_models), intercept_(intercept),
          step_(std::move(step)), indicator_(std::move(indicator)), n_threads_(n_threads), intercept_step_(n_models),
          square_(X.n_rows) {
        if (indicator_ && !step_->separable) throw std::invalid_argument("the loss of labels must not compare outputs");
        if (indicator_ && n_models > 1) throw std::invalid_argument("labels of an indicator are those of one model");
        std::vector<double> total(n_models), weight(n_models);
        for (size_t i = 0; i < X.n_rows; ++i) {
            square_[i] = X.square(i);
            for (size_t m = 0; m < n_models; ++m) {
                total[m] += static_cast<double>(c[i * n_models + m]) * square_[i];
                weight[m] += c[i * n_models + m];
            }
        }
        // A small part of the mean square of a row hardly changes the rows' own problems; measured between 0.01 and 1
        // on rcv1, 20 newsgroups, sms. It is large enough where the weights of an output add up to many times its
        // inverse, which does not depend on the scale of X.
        for (size_t m = 0; m < n_models; ++m)
            intercept_step_[m] = static_cast<T>(std::max(0.05 * total[m], 20 * flatness(weight[m])) / weight[m]);
    }

    std::atomic_flag busy;  // while a call changes which rows rest

    size_t size() const { return X_.n_rows * K_; }
    size_t n_models() const { return n_models_; }
    size_t n_labels() const {
        return indicator_ ? indicator_->n_rows : step_->separable ? std::max<size_t>(each_, 2) : each_;
    }
    size_t table_size() const { return (X_.n_cols + intercept_) * K_; }

    // Makes as many visits as there are `rows`, which are sorted, in random order, for each block of outputs and each
    // of the `models`, a bit a model. A row that a visit does not change, as most of a hinge do not in the end, is left
    // out for 1, 3, 7, then 15 rounds, and the others have its turn (Hsieh et al. 2008, section 3.2, shrink for good
    // instead). A (n_rows x K) and W change together; the last row of W is b.
    //
    // Returns for each model the sum over the visits of q |change of a|^2, q being the curvature that a visit saw. An
    // epoch gains half of it at least, and its quotient by that of the epoch before is the rate of the error.
    std::vector<double> epoch(const int64_t* rows, size_t n, uint64_t seed, uint64_t models, T* A, T* W) {
        int threads = threads_for(n_threads_, static_cast<double>(X_.n_entries()) * K_);
        const size_t block = block_of(threads), n_blocks = (K_ + block - 1) / block;
        if (rests_.size() != n_blocks) rests_.assign(n_blocks, std::vector<Rest>());
        std::vector<std::vector<double>> moved(n_blocks, std::vector<double>(n_models_));
        Interruption interruption;
        threads = std::min(threads, static_cast<int>(n_blocks));
        parallel(threads, [&](int t) {
            for (size_t b = t; b < n_blocks; b += threads) {
                Block outputs{b * block, std::min(block, K_ - b * block)};
                ascend(outputs, models, rows, n, seed, A, W, rests_[b], moved[b], t, interruption);
            }
        });
        interruption.rethrow();
        for (size_t b = 1; b < n_blocks; ++b)
            for (size_t m = 0; m < n_models_; ++m) moved[0][m] += moved[b][m];
        return moved[0];
    }

    // Leaves all but n of the models out. Their rests and steps stay, and `c` has what is theirs.
    void keep(const int64_t* models, size_t n, const T* c) {
        for (auto& rests : rests_) {
            if (rests.empty()) continue;
            std::vector<Rest> kept(X_.n_rows * n);
            for (size_t i = 0; i < X_.n_rows; ++i)
                for (size_t m = 0; m < n; ++m) kept[i * n + m] = rests[i * n_models_ + models[m]];
            rests.swap(kept);
        }
        std::vector<T> steps(n);
        for (size_t m = 0; m < n; ++m) steps[m] = intercept_step_[models[m]];
        intercept_step_.swap(steps);
        c_ = c;
        n_models_ = n;
        K_ = n * each_;
    }

    // Returns sum_i gain(a_i).
    double gain(const T* A) const {
        double total = 0;
        for (size_t i = 0; i < X_.n_rows; ++i)
            for (size_t m = 0; m < n_models_; ++m) {
                T c = c_[i * n_models_ + m];
                if (c > 0)
                    total += indicator_ ? gain_of_labels(i, A)
                                        : step_->gain(A + i * K_ + m * each_, positive(i, 0), each_, c);
            }
        return total;
    }

    // Moves the center to b. It must be called after an epoch.
    void move_center(const T* A, T* W) const {
        if (!intercept_) return;
        std::vector<double> sum(K_, 0.0);
        for (size_t i = 0; i < X_.n_rows; ++i)
            for (size_t k = 0; k < K_; ++k) sum[k] += A[i * K_ + k];
        for (size_t k = 0; k < K_; ++k) {
            W[X_.n_cols * K_ + k] += intercept_step_[k / each_] * static_cast<T>(sum[k]);
        }
    }

private:
    static constexpr size_t kBlock = 64, kLeastBlock = 8, kRounds = 16;
    // So many rows stay together in a random order where X is beyond the second cache. In an order without any they
    // take up to half as long again to read. With runs of 8 the last digits of a model that is hard to fit take a fifth
    // more epochs, with runs of 4 a twentieth, and the first three digits none.
    static constexpr size_t kRun = 4, kFar = size_t(1) << 17;

    // A change of a margin by this part is none. With an exact 0 it would be luck which rows rest.
    static constexpr T kRounding = 16 * std::numeric_limits<T>::epsilon();

    // Rounds to come without a visit, and visits without a change; of a row and model.
    struct Rest {
        uint8_t left = 0, calm = 0;
    };

    struct Block {
        size_t first, width;  // of its outputs
    };

    // A row, and which models of the block visit it.
    struct Visit {
        size_t row;
        uint64_t models;
    };

    // Returns how many outputs a block has.
    size_t block_of(int threads) const {
        if (n_models_ > 1 || !step_->separable) return K_;
        if (threads > 1 && K_ >= threads * kLeastBlock) return std::min(kBlock, (K_ + threads - 1) / threads);
        return kBlock;
    }

    void ascend(Block block, uint64_t models, const int64_t* rows, size_t n, uint64_t seed, T* A, T* W,
                std::vector<Rest>& rests, std::vector<double>& moved, int t, Interruption& interruption) const {
        const size_t n_models = n_models_, run = X_.n_entries() < kFar ? 1 : kRun;
        rests.resize(X_.n_rows * n_models);
        std::vector<int64_t> order(n);
        std::vector<Visit> visits;
        std::vector<size_t> made(n_models);
        for (size_t round = 0; round < kRounds && !interruption.stops(t); ++round) {
            uint64_t unfinished = 0;
            for (size_t m = 0; m < n_models; ++m)
                if (made[m] < n - n / 8) unfinished |= models & uint64_t(1) << m;
            if (!unfinished) break;
            shuffle_runs(rows, n, run, seed + round, order.data());
            visits.clear();
            for (int64_t i : order) {
                uint64_t awake = 0;
                for (size_t m = 0; m < n_models; ++m) {
                    Rest& rest = rests[i * n_models + m];
                    if (!(unfinished >> m & 1)) continue;
                    if (rest.left)
                        --rest.left;
                    else
                        awake |= uint64_t(1) << m, ++made[m];
                }
                if (awake) visits.push_back({static_cast<size_t>(i), awake});
            }
            visit(visits, block, A, W, rests.data(), moved.data(), t, interruption);
        }
    }

    // Returns which of the outputs from `first` on is that of the row's class.
    int positive(size_t i, size_t first) const {
        return each_ == 1 ? labels_[i] - 1 : labels_[i] - static_cast<int>(first);
    }

    // Makes these visits, for the outputs of a block.
    void visit(const std::vector<Visit>& visits, Block block, T* A, T* W, Rest* rests, double* moved, int t,
               Interruption& interruption) const {
        const size_t n = visits.size(), first = block.first, width = block.width, n_models = n_models_,
                     each = width / n_models;
        std::vector<T> buffer(2 * width + n_models);
        T *z = buffer.data(), *a = z + width, *q = a + width, *table = W + first, *intercept = table + X_.n_cols * K_;
        for (size_t o = 0; o < n; ++o) {
            if (o % 512 == 0 && interruption.stops(t)) return;
            if (o + kRowsAhead < n) {
                size_t ahead = visits[o + kRowsAhead].row;
                X_.call(ahead);
                prefetch_line_ends(A + ahead * K_ + first, width);
                if (n_models_ > 1) prefetch_line_ends(c_ + ahead * n_models_, n_models);
            }
            if (K_ > 1 && o + 1 < n)
                X_.call_table(visits[o + 1].row, table, K_, width);  // single weights are near enough
            auto [i, models] = visits[o];
            const T* c = c_ + i * n_models_;
            T* kept = A + i * K_ + first;
            for (size_t k = 0; k < width; ++k) z[k] = intercept_ ? intercept[k] : T(0);
            X_.gather(i, table, K_, width, z);
            std::copy(kept, kept + width, a);
            for (size_t m = 0; m < n_models; ++m) q[m] = square_[i] + (intercept_ ? intercept_step_[m] : T(0));
            if (indicator_)
                ascend_labels(i, first, width, q[0], z, a);
            else if (n_models_ == 1)
                step_->ascend(z, positive(i, first), width, q[0], c[0], a);
            else
                step_->ascend_each(z, positive(i, 0), n_models, each, q, c, a);
            bool changes = false;
            for (size_t m = 0; m < n_models; ++m) {
                T *from = kept + m * each, *to = a + m * each, largest = 0, margin = 1, square = 0;
                if (!(models >> m & 1) || !(c[m] > 0)) {
                    std::fill(to, to + each, T(0));
                    continue;
                }
                for (size_t k = 0; k < each; ++k) {
                    T change = to[k] - from[k];
                    from[k] = to[k];
                    to[k] = change;
                    largest = std::max(largest, std::abs(change));
                    square += change * change;
                    margin = std::max(margin, std::abs(z[m * each + k]));
                }
                Rest& rest = rests[i * n_models + m];
                rest.calm = largest * q[m] <= kRounding * margin ? std::min(rest.calm + 1, 4) : 0;
                rest.left = (1 << rest.calm) - 1;
                changes |= largest != 0;
                moved[m] += q[m] * square;
            }
            if (!changes) continue;
            X_.scatter(i, a, K_, width, table);
            for (size_t k = 0; intercept_ && k < width; ++k) intercept[k] += intercept_step_[k / each] * a[k];
        }
    }

    static constexpr int kNone = -1;                                   // the output of a row that is in no class
    static constexpr T kLeast = 1e8f * std::numeric_limits<T>::min();  // weights below have no inverse

    // Makes the step of a row with several labels: where it has one, margin and dual variable change their signs.
    void ascend_labels(size_t i, size_t first, size_t width, T q, T* z, T* a) const {
        auto turn = [&](size_t k) {
            z[k] = -z[k];
            a[k] = -a[k];
        };
        indicator_->each(labels_[i], first, width, turn);
        if (indicator_->plain) {
            step_->ascend(z, kNone, width, q, c_[i], a);
            for (size_t k : indicator_->left_out)
                if (k >= first && k < first + width) a[k - first] = 0;
        } else {
            thread_local std::vector<T> c;
            c.resize(width);
            indicator_->weigh(labels_[i], first, width, c_[i], c.data());
            for (size_t k = 0; k < width; ++k) {
                if (c[k] < kLeast)
                    a[k] = 0;
                else
                    step_->ascend(z + k, kNone, 1, q, c[k], a + k);
            }
        }
        indicator_->each(labels_[i], first, width, turn);
    }

    // Returns the inverse of what the loss curves by along an intercept, over the sum of the weights: about that of a
    // class in K, and where the loss is flat far from 0 that of the median label. On topics of Reuters-21578 this
    // halves the epochs of the logistic loss.
    double flatness(double weight) const {
        const double K = static_cast<double>(each_);
        if (!indicator_ || !step_->flat) return K;
        std::vector<double> mass(K_, 0.0);
        for (size_t i = 0; i < X_.n_rows; ++i) indicator_->each(labels_[i], 0, K_, [&](size_t k) { mass[k] += c_[i]; });
        std::nth_element(mass.begin(), mass.begin() + K_ / 2, mass.end());
        const double share = mass[K_ / 2] / weight;
        return share > 0 && share < 1 ? std::clamp(1 / (share * (1 - share)), K, 10 * K) : K;
    }

    double gain_of_labels(size_t i, const T* A) const {
        std::vector<T> a(A + i * K_, A + (i + 1) * K_), c(K_);
        indicator_->each(labels_[i], 0, K_, [&](size_t k) { a[k] = -a[k]; });
        if (indicator_->plain) return step_->gain(a.data(), kNone, K_, c_[i]);
        indicator_->weigh(labels_[i], 0, K_, c_[i], c.data());
        double total = 0;
        for (size_t k = 0; k < K_; ++k)
            if (c[k] >= kLeast) total += step_->gain(&a[k], kNone, 1, c[k]);
        return total;
    }

    Rows X_;
    const int32_t* labels_;
    const T* c_;
    size_t K_, n_models_, each_;
    bool intercept_;
    std::unique_ptr<DualStep<T>> step_;
    std::shared_ptr<const Indicator<T>> indicator_;  // of samples with several labels
    int n_threads_;
    std::vector<T> intercept_step_;  // of each model
    std::vector<T> square_;
    std::vector<std::vector<Rest>> rests_;  // of each block
};
