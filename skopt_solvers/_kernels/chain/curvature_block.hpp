// An estimate of the Hessian of a chain's loss on some entries of the table.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "base/shuffle.hpp"
#include "chain/likelihood.hpp"

// Holds the entries: weights of features first, then of transitions.
template <class T>
class BlockEntries {
public:
    // `typical` is the size of an entry's feature where it is not 0.
    BlockEntries(const ChainLayout<T>& layout, const int64_t* entries, const double* typical, size_t size)
        : size(size), typical(typical), first_(layout.n_features + 1) {
        const size_t K = layout.K, n_states = layout.n_states();
        size_t j = 0, i = 0;
        for (; i < size && static_cast<size_t>(entries[i]) < n_states; ++i) {
            const auto entry = static_cast<size_t>(entries[i]);
            for (; layout.observed() ? static_cast<int64_t>(entry) >= layout.first[j + 1] : entry >= (j + 1) * K; ++j)
                first_[j + 1] = i;
            label_.push_back(layout.observed() ? layout.label[entry] : static_cast<int32_t>(entry % K));
        }
        std::fill(first_.begin() + j + 1, first_.end(), i);
        for (; i < size; ++i) {
            const size_t q = entries[i] - n_states;
            transition_.push_back(layout.observed() ? layout.transitions[q] : static_cast<int32_t>(q));
        }
    }

    const size_t size;
    const double* typical;

    // Calls f(entry, label) for the weights of feature j.
    template <class F>
    void each_of_feature(size_t j, F f) const {
        for (size_t i = first_[j]; i < first_[j + 1]; ++i) f(i, label_[i]);
    }

    // Calls f(entry, K from + to) for the transitions.
    template <class F>
    void each_transition(F f) const {
        for (size_t q = 0; q < transition_.size(); ++q) f(label_.size() + q, transition_[q]);
    }

private:
    std::vector<size_t> first_;  // entries [first_[j], first_[j + 1]) are of feature j
    std::vector<int32_t> label_, transition_;
};

// Draws from the model one labelling y of each sequence and adds up v v^T with v = phi(y) - E phi, phi being what the
// weights are multiplied by. Its expectation is the covariance of phi, and that is the Hessian (Lafferty et al. 2001;
// Amari 1998, section 3). Where labels are missing it is that of the first of the two terms.
template <class T, class I>
class CurvatureSampler {
    using Likelihood = ChainLikelihood<T, I>;

public:
    CurvatureSampler(const Likelihood& likelihood, const BlockEntries<T>& entries)
        : likelihood_(likelihood), entries_(entries) {}

    // Adds to the lower triangle of B, for rows of weights `state` that are `width` apart. The bits do not depend on
    // the number of threads: these share the sequences of a block, and then the rows of B.
    void add(const T* state, uint64_t seed, int n_threads, T* B) {
        constexpr size_t kBlock = 512;
        const auto& data = likelihood_.data;
        std::vector<Row> rows(kBlock);
        std::vector<Scratch> scratch(n_threads, Scratch(likelihood_, entries_.size));
        Interruption interruption;
        for (size_t begin = 0; begin < data.n_active; begin += kBlock) {
            const size_t n = std::min(kBlock, data.n_active - begin);
            parallel(n_threads, [&](int t) {
                for (size_t i = t; i < n && !interruption.stops(t); i += n_threads)
                    sample(data.active[begin + i], state, seed, scratch[t], rows[i]);
            });
            interruption.rethrow();
            parallel(n_threads, [&](int t) {
                for (size_t i = 0; i < n; ++i) add_outer(rows[i], t, n_threads, B);
            });
        }
    }

private:
    struct Entry {
        uint32_t index;
        T value;
    };
    using Row = std::vector<Entry>;

    // Holds the memory of a thread.
    struct Scratch {
        typename Likelihood::Worker worker;
        Aligned<T> D, A, P;
        std::vector<double> pairs;
        std::vector<int32_t> y;
        std::vector<T> v;
        std::vector<uint32_t> touched;

        Scratch(const Likelihood& likelihood, size_t size)
            : A(likelihood.K() * likelihood.width()), pairs(likelihood.K() * likelihood.K()), v(size, T(0)) {}
    };

    void sample(size_t s, const T* state, uint64_t seed, Scratch& own, Row& row) const {
        const size_t n = likelihood_.data.length(s), width = likelihood_.width();
        auto& lattice = own.worker.lattice;
        if (own.D.size() < n * width) own.D.resize(n * width);
        own.y.resize(n);
        lattice.direct.clear();
        std::fill(own.A.begin(), own.A.end(), T(0));
        likelihood_.gather_sequence(likelihood_.data.X, likelihood_.data.offsets[s], s, state, own.worker);
        const PairScores<T>* steps =
            own.worker.steps.of(likelihood_.conditions, likelihood_.transitions, likelihood_.data.offsets[s], n);
        if (steps && own.P.size() < n * own.A.size()) own.P.resize(n * own.A.size());
        if (steps) likelihood_.clear_pairs(s, own.P.data());
        lattice.forward(own.worker.z.data(), n, likelihood_.transitions, nullptr, steps);
        lattice.backward(T(-1), own.D.data(), own.A.data(), own.P.data());
        if (steps) likelihood_.add_pairs(s, own.P.data(), lattice.direct);
        Random random(seed ^ (s * 0xd1b54a32d192ed03ull));
        lattice.sample(random, own.y.data());
        add_features(s, own);
        add_transitions(n, own);
        take(std::sqrt(likelihood_.data.omega[s]), own, row);
    }

    void add_features(size_t s, Scratch& own) const {
        constexpr T kNothing = T(1e-3);
        const auto& X = likelihood_.data.X;
        const auto& V = likelihood_.data.V;
        const size_t width = likelihood_.width(), begin = likelihood_.data.offsets[s], n = likelihood_.data.length(s);
        for (size_t t = 0; t < n; ++t) {
            T* residual = &own.D[t * width];
            residual[own.y[t]] += 1;
            auto add = [&](size_t j, T x) {
                entries_.each_of_feature(j, [&](size_t i, int32_t label) {
                    if (std::abs(residual[label]) > kNothing) touch(own, i, x * residual[label]);
                });
            };
            for (size_t p = X.indptr[begin + t]; p < static_cast<size_t>(X.indptr[begin + t + 1]); ++p)
                add(X.indices[p], X.data[p]);
            for (size_t j = 0; j < V.n_columns; ++j) add(V.first + j, V.row(begin + t)[j]);
        }
    }

    void add_transitions(size_t n, Scratch& own) const {
        const size_t K = likelihood_.K();
        std::fill(own.pairs.begin(), own.pairs.end(), 0.0);
        likelihood_.finish_pairs(own.A.data(), own.worker.lattice.direct, own.pairs);
        for (size_t t = 1; t < n; ++t) own.pairs[own.y[t - 1] * K + own.y[t]] += 1;
        entries_.each_transition([&](size_t i, int32_t q) { touch(own, i, static_cast<T>(own.pairs[q])); });
    }

    static void touch(Scratch& own, size_t i, T value) {
        if (own.v[i] == 0) own.touched.push_back(static_cast<uint32_t>(i));
        own.v[i] += value;
    }

    // Moves v to the row, without what is next to nothing.
    void take(T root, Scratch& own, Row& row) const {
        row.clear();
        std::sort(own.touched.begin(), own.touched.end());
        for (uint32_t i : own.touched) {
            if (std::abs(own.v[i]) > 0.02 * entries_.typical[i]) row.push_back({i, root * own.v[i]});
            own.v[i] = 0;
        }
        own.touched.clear();
    }

    void add_outer(const Row& row, int t, int n_threads, T* B) const {
        for (size_t a = 0; a < row.size(); ++a) {
            if (row[a].index % n_threads != static_cast<uint32_t>(t)) continue;
            T* out = B + row[a].index * entries_.size;
            for (size_t b = 0; b <= a; ++b) out[row[b].index] += row[a].value * row[b].value;
        }
    }

    const Likelihood& likelihood_;
    const BlockEntries<T>& entries_;
};
