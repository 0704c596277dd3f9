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

// The scores of the pairs of labels at a token: rows for the label before.
template <class T>
struct PairScores {
    const T *log, *M, *Mt;  // scores, exp(score - shift), and these transposed
    double shift, spread;   // the largest score, and how far below it the possible ones go
};

template <class T>
struct Transitions {
    size_t K = 0, width = 0;
    Aligned<T> log, log_start, log_end;  // scores; -inf where forbidden
    Aligned<T> mask;                     // 0 for labels, and the lowest number in the padding
    Aligned<T> M, Mt, start, end;        // exp(score - its shift), and M transposed; 0 in the padding
    double shift = 0, shift_start = 0, shift_end = 0;
    double spread = 0;           // of the scores that the labels after a token can tell apart: transitions, ends
    bool forbidden = false;      // whether a transition or an end is
    const T* triples = nullptr;  // weights of the triples of features and two labels
    size_t version = 0;          // changes with the scores

    explicit Transitions(size_t n_labels) : K(n_labels), width(padded<T>(n_labels)) {
        for (auto* matrix : {&log, &M, &Mt}) matrix->assign(K * width, T(0));
        for (auto* row : {&log_start, &log_end, &start, &end, &mask}) row->assign(width, T(0));
        std::fill(mask.begin() + K, mask.end(), std::numeric_limits<T>::lowest());
    }

    // Computes the exponentials. It must be called after a change of the scores.
    void exponentiate() {
        ++version;
        const PairScores<T> scores = pairs(log.data(), M.data(), Mt.data());
        shift = scores.shift, spread = scores.spread;
        shift_start = largest(log_start.data(), 1);
        shift_end = largest(log_end.data(), 1);
        forbidden = false;
        for (size_t i = 0; i < K; ++i) {
            const T end_score = log_end[i];
            for (size_t j = 0; j < K; ++j) forbidden |= !possible(log[i * width + j]);
            if (possible(end_score))
                spread = std::max(spread, shift_end - end_score);
            else
                forbidden = true;
        }
        exp_row(log_start.data(), shift_start, start.data());
        exp_row(log_end.data(), shift_end, end.data());
    }

    // Computes the exponentials of other scores of pairs, K rows of `width`, into matrices whose padding is 0.
    PairScores<T> pairs(const T* scores, T* exponentials, T* transposed) const {
        const double top = largest(scores, K);
        double below = 0;
        for (size_t i = 0; i < K; ++i) {
            const T* row = scores + i * width;
            for (size_t j = 0; j < K; ++j)
                if (possible(row[j])) below = std::max(below, top - row[j]);
            exp_row(row, top, exponentials + i * width);
            for (size_t j = 0; j < K; ++j) transposed[j * width + i] = exponentials[i * width + j];
        }
        return {scores, exponentials, transposed, top, below};
    }

private:
    static bool possible(T score) { return score >= std::numeric_limits<T>::lowest(); }

    void exp_row(const T* scores, double shift, T* out) const {
        constexpr T lowest = std::numeric_limits<T>::lowest();
        for (size_t j = 0; j < K; ++j)
            out[j] = fast_exp(scores[j] - static_cast<T>(shift)) * (scores[j] >= lowest ? T(1) : T(0));
    }
    double largest(const T* scores, size_t rows) const {
        T top = std::numeric_limits<T>::lowest();
        for (size_t i = 0; i < rows; ++i)
            for (size_t j = 0; j < K; ++j) top = std::max(top, scores[i * width + j]);
        return top;
    }
};

constexpr int32_t kAnyLabel = -1;

// Returns score(y | x) of a path without missing labels. `steps` are the scores of pairs at each token, null where they
// are those of the chain.
template <class T>
double path_score(const T* z, const int32_t* y, size_t n, const Transitions<T>& chain,
                  const PairScores<T>* steps = nullptr) {
    double score = static_cast<double>(chain.log_start[y[0]]) + chain.log_end[y[n - 1]];
    for (size_t t = 0; t < n; ++t) {
        score += z[t * chain.width + y[t]];
        if (t) score += (steps ? steps[t].log : chain.log.data())[y[t - 1] * chain.width + y[t]];
    }
    return score;
}
