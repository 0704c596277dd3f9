// The forward and backward recursions over the label lattice of one sequence.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/exp.hpp"
#include "base/shuffle.hpp"
#include "base/vectors.hpp"
#include "chain/transitions.hpp"

// Computes marginals by the scaled recursions (Rabiner 1989, section V.A), in the exponential domain. What rounds to 0
// in a step is lost; it can grow, against what is kept, by e^spread where no transition is forbidden, and by max b_t
// anyway (b_t being the backward values, scaled so that a_t b_t sum to 1). Where that comes near the range of T, the
// sequence is done again with logarithms in double, which is exact for any weights.
template <class T>
class Lattice {
public:
    // Where rows go whose products, entry by entry times M, are the pairs that end at a token: n x width each.
    struct PairRows {
        T *left, *right;
    };

    // Expected pairs that the logarithmic way found: they are added as they are, not times M.
    std::vector<double> direct;

    // Returns log Z of one sequence with scores z (n x width, whose padding must be finite), which is -inf where no
    // path is allowed. `fixed` are labels that a path must pass, or kAnyLabel, and null where there are none. `steps`
    // are the scores of pairs at each token, null where they are those of the chain.
    double forward(T* z, size_t n, const Transitions<T>& chain, const int32_t* fixed = nullptr,
                   const PairScores<T>* steps = nullptr) {
        n_ = n, z_ = z, chain_ = &chain, fixed_ = fixed, steps_ = steps;
        size_t width = chain.width;
        for (auto* rows : {&E_, &a_, &u_})
            if (rows->size() < n * width) rows->resize(n * width);
        for (auto* scales : {&inverse_, &norm_})
            if (scales->size() < n) scales->resize(n);
        if (b_.size() < 2 * width) b_.resize(2 * width);
        double log_z = emissions();
        const size_t n_vectors = width / kLanes<T>;
        double product = 1;
        T smallest = T(1e-4);
        for (size_t t = 0; t < n; ++t) {
            T* a = &a_[t * width];
            const T* e = &E_[t * width];
            Vec<T> sum{}, x;
            if (t) multiply(a - width, M_at(t), chain.K, width, a);
            const T* before = t ? a : chain.start.data();
            // the scale of the step before is applied here, so that its sum and quotient wait for nothing
            T scale = t ? norm_[t - 1] : T(1);
            for (size_t v = 0; v < n_vectors; ++v) {
                x = at(before + v * kLanes<T>) * at(e + v * kLanes<T>) * scale;
                sum += x;
                at(a + v * kLanes<T>) = x;
            }
            T c = sum_of<T>(sum);
            smallest = c < smallest ? c : smallest;
            norm_[t] = inverse_[t] = 1 / c;
            product *= c;
            if (c < T(1e-4)) {  // rarely: the next step would begin too near to the end of the range
                for (size_t k = 0; k < width; ++k) a[k] *= inverse_[t];
                norm_[t] = 1;
            }
            if (product < 1e-140 || product > 1e140) log_z += std::log(product), product = 1;
        }
        T last = 0;
        for (size_t k = 0; k < chain.K; ++k) last += a_[(n - 1) * width + k] * chain.end[k];
        last *= norm_[n - 1];
        log_z += std::log(product) + std::log(static_cast<double>(last));
        log_z += chain.shift_start + chain.shift_end;
        double spread = chain.spread;
        if (!steps) log_z += static_cast<double>(n - 1) * chain.shift;
        for (size_t t = 1; steps && t < n; ++t) log_z += steps[t].shift, spread = std::max(spread, steps[t].spread);
        last_ = last;
        double growth =
            kRange<T> + std::log(static_cast<double>(smallest));  // what was lost may grow by e^growth unseen
        logarithmic_ = !(std::isfinite(log_z) && spread <= growth && (!chain.forbidden || in_range(growth)));
        return logarithmic_ ? log_forward() : log_z;
    }

    // Computes, after forward, D = weight * marginals (n x width), and adds weight * expected pairs, before their
    // factor M, to A unless it is null. Those that end at a token with other scores than the chain's are added to rows
    // K t to K (t + 1) of P in the place of A, with their factor. Where rows are given they are written to these and
    // true is returned, or they overwrite P.
    bool backward(T weight, T* D, T* A, T* P = nullptr, PairRows rows = {}) {
        if (logarithmic_ || !scaled_backward(weight, D)) {
            if (!logarithmic_) log_forward();
            const size_t size = chain_->K * chain_->width;
            for (size_t t = 1; t < n_ && rows.left; ++t)
                if (is_own(t)) std::fill_n(P + t * size, size, T(0));
            log_backward(weight, D, P);
            return false;
        }
        if (!A || n_ == 1) return false;
        if (!steps_)
            add_outer(a_.data(), u_.data() + chain_->width, n_ - 1, chain_->K, chain_->width, A);
        else
            add_pairs(A, P, rows);
        return steps_ && rows.left;
    }

    // Draws, after forward, labels y from the model, the last one first: P(y_t | y_{t+1}) ~ a_t M.
    void sample(Random& random, int32_t* y) {
        const auto& chain = *chain_;
        const size_t K = chain.K, width = chain.width;
        terms_.resize(K);
        for (size_t t = n_; t-- > 0;) {
            const bool last = t + 1 == n_;
            for (size_t k = 0; k < K; ++k) {
                const size_t pair = last ? k : k * width + y[t + 1];
                if (logarithmic_)
                    terms_[k] = log_a_[t * K + k] + (last ? chain.log_end.data() : log_at(t + 1))[pair];
                else
                    terms_[k] = a_[t * width + k] * (last ? chain.end.data() : M_at(t + 1))[pair];
            }
            if (logarithmic_) {
                const double total = log_sum(terms_);
                for (double& term : terms_) term = std::exp(term - total);
            }
            y[t] = random.draw(terms_);
        }
    }

private:
    const T* log_at(size_t t) const { return steps_ ? steps_[t].log : chain_->log.data(); }
    const T* M_at(size_t t) const { return steps_ ? steps_[t].M : chain_->M.data(); }
    const T* Mt_at(size_t t) const { return steps_ ? steps_[t].Mt : chain_->Mt.data(); }
    bool is_own(size_t t) const { return steps_ && steps_[t].log != chain_->log.data(); }

    // Adds the pairs of a sequence some of whose tokens have scores of their own.
    void add_pairs(T* A, T* P, PairRows rows) const {
        const size_t K = chain_->K, width = chain_->width;
        for (size_t t = 1; t < n_; ++t) {
            const T *a = &a_[(t - 1) * width], *u = &u_[t * width];
            if (!is_own(t)) {
                add_outer(a, u, 1, K, width, A);
                continue;
            }
            if (rows.left) {
                std::copy_n(a, width, rows.left + t * width);
                std::copy_n(u, width, rows.right + t * width);
                continue;
            }
            for (size_t i = 0; i < K; ++i) {
                const T* M = steps_[t].M + i * width;
                T* pairs = P + (t * K + i) * width;
                for (size_t k = 0; k < width; k += kLanes<T>) at(pairs + k) += a[i] * at(M + k) * at(u + k);
            }
        }
    }

    // Tells whether no backward value is above e^most.
    bool in_range(double most) {
        const auto& chain = *chain_;
        size_t width = chain.width;
        T *b = b_.data(), *w = b + width, limit = static_cast<T>(std::exp(most));
        for (size_t k = 0; k < width; ++k) b[k] = chain.end[k] / last_;
        for (size_t t = n_; t-- > 0;) {
            for (size_t k = 0; k < chain.K; ++k)
                if (!(b[k] < limit)) return false;
            for (size_t k = 0; k < width; ++k) w[k] = b[k] * E_[t * width + k] * inverse_[t];
            if (t) multiply(w, Mt_at(t), chain.K, width, b);
        }
        return true;
    }

    // Computes E_t = exp(z_t - max z_t), a fixed label being the only one, and returns the sum of the maxima.
    double emissions() {
        const size_t width = chain_->width;
        double total = 0;
        for (size_t t = 0; t < n_; ++t) {
            T *z = z_ + t * width, *e = &E_[t * width];
            if (fixed_ && fixed_[t] != kAnyLabel) {
                std::fill(e, e + width, T(0));
                e[fixed_[t]] = 1;
                total += z[fixed_[t]];
                continue;
            }
            const T top = largest_masked(z, chain_->mask.data(), width);
            for (size_t k = 0; k < width; k += kLanes<T>) at(e + k) = exp_lanes<T>(at(z + k) - top);
            total += top;
        }
        return total;
    }

    // Returns false where the range of T has been left.
    bool scaled_backward(T weight, T* D) {
        size_t width = chain_->width, n_vectors = width / kLanes<T>;
        T *b = b_.data(), *w = b + width;
        for (size_t k = 0; k < width; ++k) b[k] = chain_->end[k] / last_;
        Vec<T> x, y, sum{}, right_sum{};
        for (size_t t = n_; t-- > 0;) {
            const T *e = &E_[t * width], *a = &a_[t * width];
            T *u = &u_[t * width], *d = D + t * width;
            T inverse = inverse_[t], norm = norm_[t], scale = weight * inverse * (t ? norm_[t - 1] : T(1));
            for (size_t v = 0; v < n_vectors; ++v) {
                x = at(b + v * kLanes<T>);
                y = x * at(a + v * kLanes<T>) * norm;
                sum += y;
                at(d + v * kLanes<T>) = y * weight;
                x *= at(e + v * kLanes<T>);
                at(w + v * kLanes<T>) = x * inverse;
                x *= scale;
                right_sum += x;
                at(u + v * kLanes<T>) = x;
            }
            if (t) multiply(w, Mt_at(t), chain_->K, width, b);
        }
        T total = 0, right = 0;
        for (size_t l = 0; l < kLanes<T>; ++l) total += sum[l], right += right_sum[l];
        return std::isfinite(right) && std::abs(total - static_cast<T>(n_)) < T(1e-2) * static_cast<T>(n_);
    }

    double emission(size_t t, size_t k) const {
        if (fixed_ && fixed_[t] != kAnyLabel && fixed_[t] != static_cast<int32_t>(k))
            return -std::numeric_limits<double>::infinity();
        return z_[t * chain_->width + k];
    }

    static double log_sum(const std::vector<double>& terms) {
        double top = *std::max_element(terms.begin(), terms.end());
        if (!(top > -std::numeric_limits<double>::infinity())) return top;
        double sum = 0;
        for (double term : terms) sum += std::exp(term - top);
        return top + std::log(sum);
    }

    // log_a_ of a step is relative to its largest entry, and tops_ has that, so that long sequences lose no digits.
    double log_forward() {
        const auto& chain = *chain_;
        size_t K = chain.K, width = chain.width;
        log_a_.resize(n_ * K);
        tops_.resize(n_);
        terms_.resize(K);
        double total = 0;
        for (size_t t = 0; t < n_; ++t) {
            double* a = &log_a_[t * K];
            for (size_t j = 0; j < K; ++j) {
                double before = chain.log_start[j];
                if (t) {
                    for (size_t i = 0; i < K; ++i) terms_[i] = log_a_[(t - 1) * K + i] + log_at(t)[i * width + j];
                    before = log_sum(terms_);
                }
                a[j] = before + emission(t, j);
            }
            tops_[t] = *std::max_element(a, a + K);
            total += tops_[t];
            if (std::isfinite(tops_[t]))
                for (size_t j = 0; j < K; ++j) a[j] -= tops_[t];
        }
        for (size_t k = 0; k < K; ++k) terms_[k] = log_a_[(n_ - 1) * K + k] + chain.log_end[k];
        logarithmic_ = true;
        return total + log_sum(terms_);
    }

    void log_backward(T weight, T* D, T* P) {
        const auto& chain = *chain_;
        size_t K = chain.K, width = chain.width;
        if (direct.empty()) direct.assign(K * K, 0.0);
        std::vector<double> b(K), next(K);
        for (size_t k = 0; k < K; ++k) b[k] = chain.log_end[k];
        for (size_t t = n_; t-- > 0;) {
            for (size_t k = 0; k < K; ++k) terms_[k] = log_a_[t * K + k] + b[k];
            double here = log_sum(terms_);
            std::fill(D + t * width + K, D + (t + 1) * width, T(0));
            for (size_t k = 0; k < K; ++k) D[t * width + k] = static_cast<T>(weight * std::exp(terms_[k] - here));
            if (!t) break;
            for (size_t i = 0; i < K; ++i) {
                for (size_t j = 0; j < K; ++j) {
                    terms_[j] = log_at(t)[i * width + j] + emission(t, j) + b[j];
                    const double p = weight * std::exp(log_a_[(t - 1) * K + i] + terms_[j] - here - tops_[t]);
                    if (!is_own(t))
                        direct[i * K + j] += p;
                    else if (P)
                        P[(t * K + i) * width + j] += static_cast<T>(p);
                }
                next[i] = log_sum(terms_);
            }
            double top = *std::max_element(next.begin(), next.end());
            for (size_t i = 0; i < K; ++i) b[i] = next[i] - top;
        }
    }

    size_t n_ = 0;
    T* z_ = nullptr;
    const Transitions<T>* chain_ = nullptr;
    const int32_t* fixed_ = nullptr;
    const PairScores<T>* steps_ = nullptr;
    bool logarithmic_ = false;
    T last_ = 1;
    Aligned<T> E_, a_, u_, b_;       // emissions, forward, scaled right sides of pairs, backward
    std::vector<T> inverse_, norm_;  // 1 / the sum of a step; what is left to divide the stored row by
    std::vector<double> log_a_, tops_, terms_;
};
