// The update rules of the stochastic solvers.
//
// A rule is a struct whose formula() gives the update of one weight w from its gradient g and its Step, in the words of
// its paper; its state lies in tables of the shape of W, in which w has the index i. Where the rows of the tables have
// values of their own, such as clocks, row(row) moves them on and returns what the formula needs. A rule whose row asks
// for the Step too is that of one model alone: others take several models, whose outputs lie side by side. All end in
// the proximal step of the penalty in the metric of the rule: with h the divisor of the step,
// w <- argmin_u g u + h (u - w)^2 / (2 lr) + l2 u^2 / 2 + l1 |u|   (Duchi et al. 2011, eq. 4).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/objective.hpp"

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
    auto formula() const {
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
    auto formula() const {
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
    auto formula() const {
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
    T operator()(int64_t t) { return static_cast<uint64_t>(t) - 1 < table.size() ? table[t - 1] : beyond(t); }
    [[gnu::noinline]] T beyond(int64_t t) {
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
    struct Biases {
        T first, second;
    };
    Biases row(size_t row) {
        t[row] = static_cast<int64_t>(static_cast<uint64_t>(t[row]) + 1);
        return {correction1(t[row]), correction2(t[row])};
    }
    auto formula() const {
        return [m = m, v = v, v_max = v_max, b1 = static_cast<T>(beta1), b2 = static_cast<T>(beta2),
                e = static_cast<T>(epsilon)](T& w, T g, size_t i, const Step<T>& p, const Biases& bias) {
            m[i] = b1 * m[i] + (1 - b1) * g;
            v[i] = b2 * v[i] + (1 - b2) * g * g;
            T second = v[i];
            if (v_max) second = v_max[i] = std::max(v_max[i], second);
            w = proximal(w, m[i] * bias.first, std::sqrt(second * bias.second) + e, p);
        };
    }
};

// Runs Adam on the loss and L1, and the L2 decays the weight beside it, not in Adam's metric.
template <class T>
struct AdamW {
    Adam<T> adam;
    auto row(size_t row) { return adam.row(row); }
    auto formula() const {
        return [step = adam.formula()](T& w, T g, size_t i, const Step<T>& p, const auto& bias) {
            step(w, g, i, Step<T>{p.lr, p.l1, T(0), T(0)}, bias);
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

    struct Strengths {
        T l1, l2, l1_before, l2_before;
    };
    Strengths row(size_t row, const Step<T>& p) {
        bool first = shares[row] == 0;
        if (p.lr > 0) shares[row] += p.share;
        T l1_now = strength(l1, p.penalty.l1, shares[row]), l2_now = strength(l2, p.penalty.l2, shares[row]);
        // a penalty of its own holds from the first batch on, and leaves the weights there as they are
        return {l1_now, l2_now, first && l1 >= 0 ? l1_now : T(0), first && l2 >= 0 ? l2_now : T(0)};
    }
    auto formula() const {
        return [z = z, n = n, beta = static_cast<T>(beta)](T& w, T g, size_t i, const Step<T>& p, const Strengths& of) {
            if (p.lr == 0) return;
            n[i] += g * g;
            T h = beta + std::sqrt(n[i]);
            T slope = z[i] + g - of.l2_before * w - of.l1_before * sign(w);
            T at_zero = std::min(std::max(slope - h * w / p.lr, -of.l1), of.l1);
            w = proximal(w, slope, h, Step<T>{p.lr, of.l1, of.l2, T(0)});
            z[i] = w == 0 ? at_zero : -of.l2 * w - of.l1 * sign(w);
        };
    }

    static T sign(T w) { return static_cast<T>((w > 0) - (w < 0)); }
    static T strength(double own, double of_objective, double shares) {
        return static_cast<T>(own < 0 ? shares * of_objective : shares > 0 ? own : 0);
    }
};
