// The negative log-likelihood of single sequences under a linear chain, and its gradient with respect to their scores.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/vectors.hpp"
#include "chain/conditions.hpp"
#include "chain/lattice.hpp"
#include "chain/lockstep.hpp"
#include "chain/parameter_layout.hpp"
#include "chain/scores.hpp"
#include "chain/sequences.hpp"

template <class T, class I>
class ChainLikelihood {
public:
    // Holds the scratch memory of a thread.
    struct Worker {
        Lattice<T> lattice;
        Lockstep<T> lockstep;
        PairScoresCache<T> steps;
        Aligned<T> z, second;
    };

    // Holds the gradient of a block of units: the marginals of its tokens, and the loss and the expected pairs of each
    // unit. P has the pairs of the tokens whose scores of pairs are their own, less those of the labels.
    struct Block {
        Aligned<T> D, P, left, right;  // the last two are the rows of such pairs, where they are added up by patterns
        std::vector<uint8_t> by_rows;  // of the first token of a sequence: whether its pairs are in these, not in P
        std::vector<Aligned<T>> A;
        std::vector<std::vector<double>> direct;
        std::vector<double> loss;

        // `pairs` is the size of the matrices of pairs, 0 where no gradient is asked for.
        Block(size_t tokens, size_t width, size_t pairs, bool conditioned)
            : D(tokens * width), P(conditioned ? tokens * pairs : 0), A(kUnits, Aligned<T>(pairs)), direct(kUnits),
              loss(kUnits) {}

        // Returns the pairs of the sequence whose rows of D begin at `d`, null where none are asked for.
        T* pairs_of(const T* d, size_t width) { return P.empty() ? nullptr : &P[(d - D.data()) / width * A[0].size()]; }

        void group(size_t width) { left.resize(D.size()), right.resize(D.size()), by_rows.resize(D.size() / width); }
        typename Lattice<T>::PairRows rows_of(const T* d) {
            if (left.empty()) return {};
            return {left.data() + (d - D.data()), right.data() + (d - D.data())};
        }

        void clear(size_t unit) {
            loss[unit] = 0;
            std::fill(A[unit].begin(), A[unit].end(), T(0));
        }
    };

    // Says where the gradient of a sequence goes.
    struct Target {
        T* D;                        // with respect to the scores, overwritten; null where no gradient is asked for
        T* A;                        // expected pairs before their factor M are added to it
        T* P;                        // pairs of tokens with scores of their own, overwritten; null with D
        std::vector<double>* pairs;  // those of the sequence's labels are subtracted from it; null for none
        typename Lattice<T>::PairRows rows = {};  // in the place of P, which is then without the pairs of the labels
        uint8_t* by_rows = nullptr;               // whether the pairs are in the rows
    };

    const ChainData<T, I> data;
    const ChainLayout<T> layout;
    const std::vector<bool> complete;  // whether all tokens of a sequence have a label
    Transitions<T> transitions;
    const Conditions<T> conditions;
    const std::vector<bool> side_by_side;  // whether a sequence may go beside others: complete, and as the chain is

    ChainLikelihood(const ChainData<T, I>& data, const ChainLayout<T>& layout)
        : data(data), layout(layout), complete(complete_sequences(data)), transitions(layout.K),
          conditions(data.X, data.offsets, data.n_sequences, layout.triples, layout.K, transitions.width),
          side_by_side(alike_sequences()) {}

    size_t K() const { return layout.K; }
    size_t width() const { return transitions.width; }

    // Computes worker.z, the scores of sequence s, whose rows of X begin at `first`, under rows of weights that are
    // `width` apart.
    void gather_sequence(const Csr<T, I>& X, size_t first, size_t s, const T* state, Worker& worker) const {
        const size_t size = data.length(s) * transitions.width;
        if (worker.z.size() < size) worker.z.resize(size);
        gather_tokens(X, first, s, state, worker.z.data());
    }

    // Computes the same scores into z.
    void gather_tokens(const Csr<T, I>& X, size_t first, size_t s, const T* state, T* z) const {
        const size_t width = transitions.width;
        gather_scores(X, first, first + data.length(s), state, width, z);
        add_dense_scores(data.V, data.offsets[s], data.offsets[s + 1], state + data.V.first * width, width, z);
    }

    // Returns the loss of a sequence from its scores z, times omega, and writes its gradient.
    double run_sequence(size_t s, T* z, T omega, const Target& target, Worker& worker) const {
        const size_t width = transitions.width, n = data.length(s);
        const int32_t* y = data.labels_of(s);
        T* D = target.D;
        auto& lattice = worker.lattice;
        const PairScores<T>* steps = worker.steps.of(conditions, transitions, data.offsets[s], n);
        double log_z = lattice.forward(z, n, transitions, nullptr, steps);
        const Rows rows = complete[s] ? target.rows : Rows{};
        if (D && steps && !rows.left) clear_pairs(s, target.P);
        const bool by_rows = D && lattice.backward(omega, D, target.A, target.P, rows);
        if (target.by_rows) *target.by_rows = by_rows;
        if (!complete[s]) {
            double observed = lattice.forward(z, n, transitions, y, steps);
            if (D) {
                if (worker.second.size() < n * width) worker.second.resize(n * width);
                lattice.backward(-omega, worker.second.data(), target.A, target.P);
                for (size_t i = 0; i < n * width; ++i) D[i] += worker.second[i];
                if (steps) add_pairs(s, target.P, lattice.direct);
            }
            return omega * (log_z - observed);
        }
        if (D && steps && !by_rows) {
            add_pairs(s, target.P, lattice.direct);
            for (size_t t = 1; t < n && !target.rows.left; ++t)
                target.P[(t * layout.K + y[t - 1]) * width + y[t]] -= omega;
        }
        for (size_t t = 0; t < n; ++t) {
            if (D) D[t * width + y[t]] -= omega;
            if (target.pairs && t) (*target.pairs)[y[t - 1] * layout.K + y[t]] -= omega;
        }
        return omega * (log_z - path_score(z, y, n, transitions, steps));
    }

    // Sets the pairs of the tokens of sequence s that have scores of their own to 0.
    void clear_pairs(size_t s, T* P) const {
        const size_t size = layout.K * transitions.width;
        each_conditioned(s, [&](size_t t) { std::fill_n(P + t * size, size, T(0)); });
    }

    // Adds these pairs to those of all tokens.
    void add_pairs(size_t s, const T* P, std::vector<double>& pairs) const {
        const size_t K = layout.K, width = transitions.width;
        if (pairs.empty()) pairs.assign(K * K, 0.0);
        each_conditioned(s, [&](size_t t) {
            for (size_t i = 0; i < K; ++i)
                for (size_t j = 0; j < K; ++j) pairs[i * K + j] += static_cast<double>(P[(t * K + i) * width + j]);
        });
    }

    // Adds the gradient of sequence s with respect to the weights of triples, for the features of thread t of n.
    void add_triples(size_t s, const T* P, int thread, int n_threads, std::vector<double>& triples) const {
        const size_t size = layout.K * transitions.width;
        each_conditioned(s, [&](size_t t) {
            const int32_t pattern = conditions.pattern(data.offsets[s] + t);
            conditions.add_gradient(pattern, P + t * size, thread, n_threads, triples.data());
        });
    }

    // Computes pairs += M A + direct, M and A being multiplied entry by entry.
    void finish_pairs(const T* A, const std::vector<double>& direct, std::vector<double>& pairs) const {
        const size_t K = layout.K, width = transitions.width;
        for (size_t i = 0; i < K; ++i)
            for (size_t j = 0; j < K; ++j)
                pairs[i * K + j] += static_cast<double>(A[i * width + j]) * transitions.M[i * width + j];
        for (size_t i = 0; i < direct.size(); ++i) pairs[i] += direct[i];
    }

    // Adds products of rows to the matrices of the patterns, K x width each, that thread t of n has.
    void add_rows(size_t s, typename Lattice<T>::PairRows rows, int thread, int n_threads, double* groups) const {
        const size_t K = layout.K, width = transitions.width;
        std::vector<double> right(width);
        each_conditioned(s, [&](size_t t) {
            const int32_t pattern = conditions.pattern(data.offsets[s] + t);
            if (pattern % n_threads != thread) return;
            std::copy_n(rows.right + t * width, width, right.begin());
            double* group = groups + pattern * K * width;
            for (size_t i = 0; i < K; ++i, group += width) {
                const auto a = static_cast<double>(rows.left[t * width + i]);
                for (size_t j = 0; j < width; ++j) group[j] += a * right[j];
            }
        });
    }

    // Ends with the matrices of the patterns: they become pairs by their factor M, and add to the gradient.
    void finish_rows(double* groups, TailGradient& tail) const {
        const size_t K = layout.K, width = transitions.width, size = K * width;
        Aligned<T> scores(3 * size, T(0));
        for (size_t r = 0; r < conditions.n_patterns(); ++r) {
            const auto pattern = static_cast<int32_t>(r);
            double* group = groups + r * size;
            std::copy(transitions.log.begin(), transitions.log.end(), scores.begin());
            conditions.add_scores(pattern, transitions.triples, scores.data());
            const T* M = transitions.pairs(scores.data(), &scores[size], &scores[2 * size]).M;
            for (size_t i = 0; i < size; ++i) group[i] *= static_cast<double>(M[i]);
            for (size_t i = 0; i < K; ++i)
                for (size_t j = 0; j < K; ++j) tail.pairs[i * K + j] += group[i * width + j];
            conditions.add_gradient(pattern, group, 0, 1, tail.triples.data());
        }
    }

private:
    using Rows = typename Lattice<T>::PairRows;

    // Calls f(t) for the tokens of sequence s that have scores of their own.
    template <class F>
    void each_conditioned(size_t s, F f) const {
        if (!conditions.any()) return;
        for (size_t t = 1; t < data.length(s); ++t)
            if (conditions.has(data.offsets[s] + t)) f(t);
    }

    std::vector<bool> alike_sequences() const {
        std::vector<bool> alike = complete;
        for (size_t s = 0; s < data.n_sequences; ++s)
            if (conditions.any_of(data.offsets[s], data.offsets[s + 1])) alike[s] = false;
        return alike;
    }

    static std::vector<bool> complete_sequences(const ChainData<T, I>& data) {
        std::vector<bool> complete(data.n_sequences);
        for (size_t s = 0; s < data.n_sequences; ++s) complete[s] = data.is_complete(s);
        return complete;
    }
};
