// The scores of transitions, starts and ends, and their exponentials.
//
// score(y | x) = sum_t z_t[y_t] + sum_t log[y_{t-1}, y_t] + log_start[y_1] + log_end[y_n] with z = x W. Rows of labels
// are padded to `width`, which is whole vectors.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/exp.hpp"
#include "base/vectors.hpp"

// -log of the smallest number of T, less 18 and 37 for the digits that shall be right.
template <class T>
constexpr double kRange = sizeof(T) == 4 ? 69 : 671;

template <class T>
struct Transitions {
    size_t K = 0, width = 0;
    Aligned<T> log, log_start, log_end;  // scores; -inf where forbidden
    Aligned<T> mask;                     // 0 for labels, and the lowest number in the padding
    Aligned<T> M, Mt, start, end;        // exp(score - its shift), and M transposed; 0 in the padding
    double shift = 0, shift_start = 0, shift_end = 0;
    double spread = 0;       // of the scores that the labels after a token can tell apart: transitions, ends
    bool forbidden = false;  // whether a transition or an end is

    explicit Transitions(size_t n_labels) : K(n_labels), width(padded<T>(n_labels)) {
        for (auto* matrix : {&log, &M, &Mt}) matrix->assign(K * width, T(0));
        for (auto* row : {&log_start, &log_end, &start, &end, &mask}) row->assign(width, T(0));
        std::fill(mask.begin() + K, mask.end(), std::numeric_limits<T>::lowest());
    }

    // Computes the exponentials. It must be called after a change of the scores.
    void exponentiate() {
        shift = largest(log, K);
        spread = 0;
        forbidden = false;
        for (size_t i = 0; i < K; ++i)
            for (size_t j = 0; j < K; ++j) note(log[i * width + j], shift);
        shift_start = largest(log_start, 1);
        shift_end = largest(log_end, 1);
        for (size_t k = 0; k < K; ++k) note(log_end[k], shift_end);
        for (size_t i = 0; i < K; ++i) {
            exp_row(&log[i * width], shift, &M[i * width]);
            for (size_t j = 0; j < K; ++j) Mt[j * width + i] = M[i * width + j];
        }
        exp_row(log_start.data(), shift_start, start.data());
        exp_row(log_end.data(), shift_end, end.data());
    }

private:
    void note(T score, double top) {
        if (score >= std::numeric_limits<T>::lowest())
            spread = std::max(spread, top - score);
        else
            forbidden = true;
    }

    void exp_row(const T* scores, double shift, T* out) const {
        constexpr T lowest = std::numeric_limits<T>::lowest();
        for (size_t j = 0; j < K; ++j)
            out[j] = fast_exp(scores[j] - static_cast<T>(shift)) * (scores[j] >= lowest ? T(1) : T(0));
    }
    double largest(const Aligned<T>& scores, size_t rows) const {
        T top = std::numeric_limits<T>::lowest();
        for (size_t i = 0; i < rows; ++i)
            for (size_t j = 0; j < K; ++j) top = std::max(top, scores[i * width + j]);
        return top;
    }
};

constexpr int32_t kAnyLabel = -1;

// Returns score(y | x) of a path without missing labels.
template <class T>
double path_score(const T* z, const int32_t* y, size_t n, const Transitions<T>& chain) {
    double score = static_cast<double>(chain.log_start[y[0]]) + chain.log_end[y[n - 1]];
    for (size_t t = 0; t < n; ++t) {
        score += z[t * chain.width + y[t]];
        if (t) score += chain.log[y[t - 1] * chain.width + y[t]];
    }
    return score;
}
