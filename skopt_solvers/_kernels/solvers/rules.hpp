// The update rules of the stochastic solvers, and the epoch that runs them.
//
// A rule is a struct whose row(row) gives the update of one weight w from its gradient g and its Step, in the words of
// its paper; its state lies in tables of the shape of W. A rule whose row asks for the Step too is that of one model
// alone: others take several models, whose outputs lie side by side. All end in the proximal step of the penalty in
// the metric of the rule: with h the divisor of the step,
// w <- argmin_u g u + h (u - w)^2 / (2 lr) + l2 u^2 / 2 + l1 |u|   (Duchi et al. 2011, eq. 4).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/interrupt.hpp"
#include "base/objective.hpp"
#include "base/parallel.hpp"
#include "base/prefetch.hpp"

template <class T>
struct Step {
    T lr, l1, l2, decay;  // learning rate; this row's share of the penalty; decoupled decay (AdamW)
    T share = 0;          // of `penalty`, which is that of a whole epoch
    Penalty<T> penalty{};
};

template <class T>
inline T proximal(T w, T g, T h, const Step<T>& p) {
    T u = h * w - p.lr * g, threshold = p.lr * p.l1;
    u -= std::min(std::max(u, -threshold), threshold);
    return u / (h + p.lr * p.l2);
}

// The velocity is the last move of the iterate, so that the proximal step is part of it. With Nesterov the table holds
// the look-ahead point u + mu v of the iterate u.
template <class T>
struct Momentum {
    T* v;  // null where momentum is 0
    double momentum;
    bool nesterov;
    auto row(size_t) const {
        return [v = v, mu = static_cast<T>(momentum), nesterov = nesterov](T& w, T g, size_t i, const Step<T>& p) {
            if (!v) {
                w = proximal(w, g, T(1), p);
                return;
            }
            T previous = nesterov ? w - mu * v[i] : w;
            T next = proximal(nesterov ? w : w + mu * v[i], g, T(1), p);
            v[i] = next - previous;
            w = nesterov ? next + mu * v[i] : next;
        };
    }
};

template <class T>
struct AdaGrad {
    T* s;
    double epsilon;
    auto row(size_t) const {
        return [s = s, e = static_cast<T>(epsilon)](T& w, T g, size_t i, const Step<T>& p) {
            s[i] += g * g;
            w = proximal(w, g, std::sqrt(s[i]) + e, p);
        };
    }
};

template <class T>
struct RMSProp {
    T *s, *mean;  // mean is null unless centered
    double rho, epsilon;
    auto row(size_t) const {
        return [s = s, mean = mean, r = static_cast<T>(rho), e = static_cast<T>(epsilon)](T& w, T g, size_t i,
                                                                                          const Step<T>& p) {
            s[i] = r * s[i] + (1 - r) * g * g;
            T variance = s[i];
            if (mean) {
                mean[i] = r * mean[i] + (1 - r) * g;
                variance = std::max(variance - mean[i] * mean[i], T(0));
            }
            w = proximal(w, g, std::sqrt(variance) + e, p);
        };
    }
};

// Returns 1 / (1 - beta^t) for t = 1, 2, ... out of a table, because pow costs more than the rest of a step. Clocks
// come from Python, so the table has an end, and no entry for t < 1.
template <class T>
struct BiasCorrection {
    static constexpr int64_t kMost = int64_t(1) << 22;
    double beta, power = 1;
    std::vector<T> table;
    explicit BiasCorrection(double beta) : beta(beta) {}
    T operator()(int64_t t) {
        while (static_cast<int64_t>(table.size()) < std::min(t, kMost) && power > 1e-17)
            table.push_back(static_cast<T>(1 / (1 - (power *= beta))));
        if (static_cast<uint64_t>(t) - 1 < table.size()) return table[t - 1];
        return power > 1e-17 ? static_cast<T>(1 / (1 - std::pow(beta, static_cast<double>(t)))) : T(1);
    }
};

template <class T>
struct Adam {
    T *m, *v, *v_max;  // v_max is null unless amsgrad
    int64_t* t;        // one clock a row
    double beta1, beta2, epsilon;
    BiasCorrection<T> correction1{beta1}, correction2{beta2};
    auto row(size_t row) {
        t[row] = static_cast<int64_t>(static_cast<uint64_t>(t[row]) + 1);
        T bias1 = correction1(t[row]), bias2 = correction2(t[row]);
        return [m = m, v = v, v_max = v_max, b1 = static_cast<T>(beta1), b2 = static_cast<T>(beta2), bias1, bias2,
                e = static_cast<T>(epsilon)](T& w, T g, size_t i, const Step<T>& p) {
            m[i] = b1 * m[i] + (1 - b1) * g;
            v[i] = b2 * v[i] + (1 - b2) * g * g;
            T second = v[i];
            if (v_max) second = v_max[i] = std::max(v_max[i], second);
            w = proximal(w, m[i] * bias1, std::sqrt(second * bias2) + e, p);
        };
    }
};

// Runs Adam on the loss and L1, and the L2 decays the weight beside it, not in Adam's metric.
template <class T>
struct AdamW {
    Adam<T> adam;
    auto row(size_t row) {
        return [step = adam.row(row)](T& w, T g, size_t i, const Step<T>& p) {
            step(w, g, i, Step<T>{p.lr, p.l1, T(0), T(0)});
            w *= 1 / (1 + p.lr * p.decay);
        };
    }
};

// Algorithm 1 of McMahan et al. (2013). This z is theirs plus h w / lr, with h the divisor of the step, so that
// neither earlier rates nor the first weights are asked for: it is minus the slope of the penalty so far where w is
// not 0.
template <class T>
struct FTRL {
    T *z, *n;
    double* shares;       // the sum of each row's shares of the penalty
    double beta, l1, l2;  // a penalty of its own; < 0: the objective's times `shares`

    auto row(size_t row, Step<T> p) {
        bool first = shares[row] == 0;
        if (p.lr > 0) shares[row] += p.share;
        p.l1 = strength(l1, p.penalty.l1, shares[row]);
        p.l2 = strength(l2, p.penalty.l2, shares[row]);
        // a penalty of its own holds from the first batch on, and leaves the weights there as they are
        T l1_before = first && l1 >= 0 ? p.l1 : T(0), l2_before = first && l2 >= 0 ? p.l2 : T(0);
        return
            [p, l1_before, l2_before, z = z, n = n, beta = static_cast<T>(beta)](T& w, T g, size_t i, const Step<T>&) {
                if (p.lr == 0) return;
                n[i] += g * g;
                T h = beta + std::sqrt(n[i]);
                T slope = z[i] + g - l2_before * w - l1_before * sign(w);
                T at_zero = std::min(std::max(slope - h * w / p.lr, -p.l1), p.l1);
                w = proximal(w, slope, h, p);
                z[i] = w == 0 ? at_zero : -p.l2 * w - p.l1 * sign(w);
            };
    }

    static T sign(T w) { return static_cast<T>((w > 0) - (w < 0)); }
    static T strength(double own, double of_objective, double shares) {
        return static_cast<T>(own < 0 ? shares * of_objective : shares > 0 ? own : 0);
    }
};

// Learning rates and penalties of outputs that belong to several models.
template <class T>
struct OutputSteps {
    std::vector<T> lr, l1, l2, decay;
};

template <class T>
struct Rule {
    std::vector<const T*> tables;  // of the state, of W's shape; rows of them are called ahead
    double weight_decay = -1;      // AdamW's own; < 0: the objective's L2
    virtual ~Rule() = default;
    // Tells whether the tables of its state have the shape of a table, and are all there.
    virtual bool fits(size_t n_rows, size_t n_outputs) const = 0;
    virtual void step(T* W, size_t K, const RowGradient<T>& gradient, double lr, const Penalty<T>& penalty) = 0;
    // The same for outputs of several models.
    virtual void step(T* W, size_t K, const RowGradient<T>& gradient, const OutputSteps<T>& steps) = 0;
};

template <class T, class F>
struct RuleOf : Rule<T> {
    F f;
    explicit RuleOf(F formula) : f(std::move(formula)) {}
    void step(T* W, size_t K, const RowGradient<T>& gradient, double lr, const Penalty<T>& penalty) override {
        double decay = this->weight_decay < 0 ? penalty.l2 : this->weight_decay;
        each_row(W, K, gradient, [&](size_t row, T share, const T* g, T* w) {
            T l1 = share * static_cast<T>(penalty.l1), l2 = share * static_cast<T>(penalty.l2);
            const Step<T> p{static_cast<T>(lr), l1, l2, share * static_cast<T>(decay), share, penalty};
            auto update = [&] {
                // p by value: a reference would be read again after each store
                if constexpr (takes_several())
                    return [u = f.row(row), p](T& w, T g, size_t i) { u(w, g, i, p); };
                else
                    return [u = f.row(row, p), p](T& w, T g, size_t i) { u(w, g, i, p); };
            }();
#pragma GCC ivdep
            for (size_t k = 0; k < K; ++k) update(w[k], g[k], row * K + k);
        });
    }

    void step(T* W, size_t K, const RowGradient<T>& gradient, const OutputSteps<T>& steps) override {
        if constexpr (takes_several()) {
            const T *lr = steps.lr.data(), *l1 = steps.l1.data(), *l2 = steps.l2.data(), *decay = steps.decay.data();
            each_row(W, K, gradient, [&](size_t row, T share, const T* g, T* w) {
                auto update = f.row(row);
#pragma GCC ivdep
                for (size_t k = 0; k < K; ++k)
                    update(w[k], g[k], row * K + k, Step<T>{lr[k], share * l1[k], share * l2[k], share * decay[k]});
            });
        } else {
            throw std::invalid_argument("this rule takes one model at a time");
        }
    }

private:
    static constexpr bool takes_several() {
        return requires(F f) { f.row(size_t(0)); };
    }

    // Calls visit(row, share, g, w) for each touched row.
    template <class Visit>
    void each_row(T* W, size_t K, const RowGradient<T>& gradient, Visit visit) {
        const auto& tables = this->tables;
        const T* first = tables.empty() ? nullptr : tables[0];
        for (size_t r = 0; r < gradient.size; ++r) {
            size_t row = gradient.rows[r];
            if (first && r + kAhead < gradient.size) {
                size_t ahead = gradient.rows[r + kAhead] * K;
                __builtin_prefetch(first + ahead, 1);
                if (K > 1)
                    for (const T* table : tables) prefetch_all(table + ahead, K);
            }
            visit(row, gradient.share[r], gradient.values.data() + r * K, W + row * K);
        }
    }
};

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
