// The losses of a row of margins z (K values) and a class label, and their gradients with respect to z.
//
// A loss is a struct with `T operator()(const T* z, int label, size_t K, T* d)`, which returns the loss and writes
// the gradient d. One that is sum_k f(s_k z_k), with s_k = 1 for the positive class of output k and else -1, has
// `T one(T margin, T& p)` instead, which returns f and writes p = minus its derivative. `one` has no branch, so that
// loops over margins become vectors. With one output the positive class is label 1. What else is known of a loss is a
// value of objectives/_losses.py.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/exp.hpp"
#include "base/parallel.hpp"
#include "linear/indicator.hpp"

// log(1 + exp(-margin))
template <class T>
struct Logistic {
    static T one(T margin, T& p) {
        T e = fast_exp(-std::abs(margin));
        p = (margin > 0 ? e : T(1)) / (1 + e);
        return log1p_of_unit(e) + std::max(-margin, T(0));
    }
};

// The loss is log sum_k exp(z_k) - z_label.
template <class T>
struct Softmax {
    static constexpr bool joint = true;  // every label has an output
    T operator()(const T* z, int label, size_t K, T* d) const {
        const auto [top, sum] = softmax(z, K, d);
        d[label] -= 1;
        return std::log(sum) + top - z[label];
    }
};

// The loss is sum_k h(1 - s_k z_k) with h(a) = max(a, 0) smoothed over a width gamma (Shalev-Shwartz & Zhang 2013, eq.
// 10): h is a^2 / (2 gamma) for a in [0, gamma] and a - gamma / 2 above. It is squared where asked.
template <class T>
struct Hinge {
    double gamma;
    bool squared;
    Hinge(double gamma, bool squared) : gamma(gamma), squared(squared) {}
    T one(T margin, T& p) const {
        T g = static_cast<T>(gamma), a = std::max(1 - margin, T(0));
        T value = a < g ? a * a / (2 * g) : a - g / 2;
        T slope = a < g ? a / g : (a > 0 ? T(1) : T(0));
        p = squared ? 2 * value * slope : slope;
        return squared ? value * value : value;
    }
};

// The loss is the square of a = max(1 - margin, 0) up to a = 2, and 4 a - 4 above (modified Huber, Zhang 2004).
template <class T>
struct ModifiedHuber {
    static T one(T margin, T& p) {
        T a = std::max(1 - margin, T(0)), b = std::min(a, T(2));
        p = 2 * b;
        return b * (2 * a - b);
    }
};

// The loss is h(a) with a_k = [k != label] + z_k - z_label and h(a) = max_k a_k (Crammer & Singer 2001, eq. 3),
// smoothed over a width gamma as `smoothed` says (Shalev-Shwartz & Zhang 2016, section 5). It is squared where asked.
template <class T>
struct CrammerSinger {
    static constexpr bool joint = true;
    double gamma = 0;
    bool squared = false;
    T operator()(const T* z, int label, size_t K, T* d) const {
        for (size_t k = 0; k < K; ++k) d[k] = static_cast<int>(k) == label ? T(0) : 1 + z[k] - z[label];
        T value = gamma > 0 ? smoothed(d, label, K) : largest(d, label, K);
        if (squared) {
            for (size_t k = 0; k < K; ++k) d[k] *= 2 * value;
            value *= value;
        }
        T sum = 0;
        d[label] = 0;
        for (size_t k = 0; k < K; ++k) sum += d[k];
        d[label] = -sum;
        return value;
    }

private:
    // Returns the largest entry of a, or 0. a becomes the indicator of that entry if it is positive, else 0.
    static T largest(T* a, int label, size_t K) {
        size_t best = std::max_element(a, a + K) - a;
        T value = a[best];
        std::fill(a, a + K, T(0));
        if (value > 0) a[best] = 1;
        return value;
    }
    // Returns the maximum of p.a - gamma/2 |p|^2 over p >= 0, sum p <= 1, p_label = 0. a becomes the p that attains it,
    // the projection of a / gamma (Duchi et al. 2008, fig. 1).
    T smoothed(T* a, int label, size_t K) const {
        T g = static_cast<T>(gamma), top = 0, sum = 0;
        for (size_t k = 0; k < K; ++k) top = std::max(top, a[k]);  // a_label is 0
        for (size_t k = 0; k < K; ++k)
            if (static_cast<int>(k) != label && a[k] > 0) sum += a[k] / g;
        T theta = 0, base = 0;
        if (sum > 1) {
            // the projection does not change when all entries shift; relative to the largest nothing cancels
            base = top;
            thread_local std::vector<T> sorted;
            sorted.clear();
            for (size_t k = 0; k < K; ++k)
                if (static_cast<int>(k) != label && a[k] > 0 && a[k] - top > -g) sorted.push_back((a[k] - top) / g);
            std::sort(sorted.begin(), sorted.end(), std::greater<T>());
            T partial = 0;
            for (size_t r = 0; r < sorted.size(); ++r) {
                partial += sorted[r];
                T candidate = (partial - 1) / static_cast<T>(r + 1);
                if (sorted[r] > candidate) theta = candidate;
            }
        }
        T value = 0;
        for (size_t k = 0; k < K; ++k) {
            T p = static_cast<int>(k) == label ? T(0) : std::max((a[k] - base) / g - theta, T(0));
            value += p * a[k] - g / 2 * p * p;
            a[k] = p;
        }
        return value;
    }
};

// Computes a loss over many rows behind one virtual call.
template <class T>
struct Loss {
    virtual ~Loss() = default;
    virtual size_t n_labels(size_t K) const = 0;
    virtual bool joint() const = 0;
    // Returns sum_i weight_i loss(z_i), and writes weight_i times the gradient of loss(z_i) to d_i.
    virtual double rows(const T* Z, const int32_t* labels, const T* weights, size_t n, size_t K, T* D) const = 0;
};

template <class T, class F>
struct LossOf final : Loss<T> {
    F f;
    explicit LossOf(F formula) : f(formula) {}
    size_t n_labels(size_t K) const override { return joint() ? K : std::max<size_t>(K, 2); }
    bool joint() const override {
        if constexpr (requires { F::joint; }) return F::joint;
        return false;
    }
    double rows(const T* Z, const int32_t* labels, const T* weights, size_t n, size_t K, T* D) const override {
        if constexpr (requires(T m) { f.one(m, m); })
            return K == 1 ? of_one_output(Z, labels, weights, n, D) : of_outputs(Z, labels, weights, n, K, D);
        else
            return row_by_row(Z, labels, weights, n, K, D);
    }

private:
    double row_by_row(const T* Z, const int32_t* labels, const T* weights, size_t n, size_t K, T* D) const {
        double sum = 0;
        for (size_t i = 0; i < n; ++i) {
            T* d = D + i * K;
            if (weights[i] == 0) {
                std::fill(d, d + K, T(0));
                continue;
            }
            sum += static_cast<double>(weights[i]) * f(Z + i * K, labels[i], K, d);
            for (size_t k = 0; k < K; ++k) d[k] *= weights[i];
        }
        return sum;
    }

    double of_one_output(const T* z, const int32_t* labels, const T* weights, size_t n, T* d) const {
        thread_local std::vector<T> loss;
        loss.resize(n);
        T* l = loss.data();
#pragma GCC ivdep
        for (size_t i = 0; i < n; ++i) {
            T s = labels[i] == 1 ? T(1) : T(-1), p, value = f.one(s * z[i], p);
            l[i] = weights[i] == 0 ? T(0) : value;
            d[i] = weights[i] == 0 ? T(0) : -s * p * weights[i];
        }
        double sum = 0;
        for (size_t i = 0; i < n; ++i) sum += static_cast<double>(weights[i]) * l[i];
        return sum;
    }

    // Some rows are one loop: a row of few outputs fills no vector, and GCC leaves loops over a row of doubles.
    double of_outputs(const T* Z, const int32_t* labels, const T* weights, size_t n, size_t K, T* D) const {
        size_t most = std::max<size_t>(1, 2048 / K);
        thread_local std::vector<T> signs, losses;
        signs.resize(most * K);
        losses.resize(most * K);
        double sum = 0;
        for (size_t begin = 0; begin < n; begin += most) {
            size_t n_rows = std::min(most, n - begin);
            const T *z = Z + begin * K, *weight = weights + begin;
            T *d = D + begin * K, *s = signs.data(), *l = losses.data();
            std::fill_n(s, n_rows * K, T(-1));
            for (size_t i = 0; i < n_rows; ++i) s[i * K + labels[begin + i]] = 1;
#pragma GCC ivdep
            for (size_t i = 0; i < n_rows * K; ++i) {
                T p;
                l[i] = f.one(s[i] * z[i], p);
                d[i] = -s[i] * p;
            }
            for (size_t i = 0; i < n_rows; ++i, l += K, d += K) {
                if (weight[i] == 0) {
                    std::fill(d, d + K, T(0));
                    continue;
                }
                T loss = 0;
                for (size_t k = 0; k < K; ++k) loss += l[k];
                for (size_t k = 0; k < K; ++k) d[k] *= weight[i];
                sum += static_cast<double>(weight[i]) * loss;
            }
        }
        return sum;
    }
};

// The losses of several models, whose outputs lie side by side in a row of margins: Z is (n, n_models, K). It serves
// one call at a time.
template <class T>
struct LossOfMany final : Loss<T> {
    std::unique_ptr<Loss<T>> one;
    size_t n_models;
    mutable std::vector<double> last;  // of each model, in the last call of `rows`

    LossOfMany(std::unique_ptr<Loss<T>> one, size_t n_models)
        : one(std::move(one)), n_models(n_models), last(n_models) {}
    size_t n_labels(size_t K) const override { return one->n_labels(K / n_models); }
    bool joint() const override { return one->joint(); }
    double rows(const T* Z, const int32_t* labels, const T* weights, size_t n, size_t K, T* D) const override {
        size_t each = K / n_models;
        z_.resize(n * each);
        d_.resize(n * each);
        double sum = 0;
        for (size_t m = 0; m < n_models; ++m) {
            for (size_t i = 0; i < n; ++i) std::copy_n(Z + i * K + m * each, each, z_.data() + i * each);
            sum += last[m] = one->rows(z_.data(), labels, weights, n, each, d_.data());
            for (size_t i = 0; i < n; ++i) std::copy_n(d_.data() + i * each, each, D + i * K + m * each);
        }
        return sum;
    }

private:
    mutable std::vector<T> z_, d_;  // one model's part
};

// The losses of a binary problem for each label of samples that have any number of them. The label of a row of margins
// is the row of the indicator matrix.
template <class T>
struct LossOfLabels final : Loss<T> {
    std::unique_ptr<Loss<T>> one;
    std::shared_ptr<const Indicator<T>> indicator;

    LossOfLabels(std::unique_ptr<Loss<T>> one, std::shared_ptr<const Indicator<T>> indicator)
        : one(std::move(one)), indicator(std::move(indicator)) {
        if (this->one->joint()) throw std::invalid_argument("the loss of labels must not compare outputs");
    }
    size_t n_labels(size_t) const override { return indicator->n_rows; }
    bool joint() const override { return false; }
    double rows(const T* Z, const int32_t* labels, const T* weights, size_t n, size_t K, T* D) const override {
        thread_local std::vector<int32_t> has;
        thread_local std::vector<T> weight;
        has.assign(n * K, 0);
        weight.resize(n * K);
        for (size_t i = 0; i < n; ++i) {
            indicator->weigh(labels[i], 0, K, weights[i], weight.data() + i * K);
            indicator->each(labels[i], 0, K, [&](size_t k) { has[i * K + k] = 1; });
        }
        return one->rows(Z, has.data(), weight.data(), n * K, 1, D);
    }
};

template <class T>
std::unique_ptr<Loss<T>> make_loss(const std::string& name, double gamma, bool squared) {
    if (name == "logistic") return std::make_unique<LossOf<T, Logistic<T>>>(Logistic<T>{});
    if (name == "softmax") return std::make_unique<LossOf<T, Softmax<T>>>(Softmax<T>{});
    if (name == "hinge") return std::make_unique<LossOf<T, Hinge<T>>>(Hinge<T>(gamma, squared));
    if (name == "modified_huber") return std::make_unique<LossOf<T, ModifiedHuber<T>>>(ModifiedHuber<T>{});
    if (name == "crammer_singer")
        return std::make_unique<LossOf<T, CrammerSinger<T>>>(CrammerSinger<T>{gamma, squared});
    throw std::invalid_argument("unknown loss '" + name + "'");
}
