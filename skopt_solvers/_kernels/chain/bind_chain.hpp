// The class of Python for the objective of a chain. Solvers add their methods to it.
#pragma once
#include <algorithm>

#include "base/bind_objective.hpp"
#include "chain/bind_sequences.hpp"
#include "chain/chain_objective.hpp"

// Keeps the arrays of the objective alive.
template <class T, class I>
struct ChainArrays {
    In<I> indptr, indices;
    In<T> data;
    In<int64_t> offsets;
    In<int32_t> labels;
    In<T> omega;
    In<int64_t> active, first;
    In<int32_t> label, transitions;
    In<bool> allowed;
    In<T> vectors;
    size_t vector_size;
    In<int32_t> slot;
    In<int64_t> first_triple;
    In<int32_t> pair;
};

template <class T, class I>
class BoundChain final : public ChainObjective<T, I> {
    using Chain = ChainObjective<T, I>;
    using Arrays = ChainArrays<T, I>;

public:
    BoundChain(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int64_t> offsets, In<int32_t> labels,
               In<T> omega, In<int64_t> active, size_t n_labels, bool boundaries, In<int64_t> first, In<int32_t> label,
               In<int32_t> transitions, In<bool> allowed, In<T> vectors, size_t vector_size, In<int32_t> slot,
               In<int64_t> first_triple, In<int32_t> pair, double l1, double l2, int n_threads, size_t block,
               bool copied)
        : BoundChain(Arrays{indptr, indices, data, offsets, labels, omega, active, first, label, transitions, allowed,
                            vectors, vector_size, slot, first_triple, pair},
                     n_columns, n_labels, boundaries, Penalty<T>{l1, l2}, n_threads, block, copied) {}

    double value_and_gradient(In<T> W, Out<T> G) {
        require_tables(W, G);
        Call call(this->busy);
        return Chain::value_and_gradient(W.data(), pointer_or_null(G));
    }

    double penalise(In<T> W, Out<T> G) const {
        require_tables(W, G);
        nb::gil_scoped_release release;
        return Chain::penalise(W.data(), pointer_or_null(G));
    }

    void squared_norms(Out<double> square) const {
        require(square.size() == this->n_rows, "square has the wrong size");
        nb::gil_scoped_release release;
        Chain::squared_norms(square.data());
    }

    void curvature_block(In<T> W, In<int64_t> entries, In<double> typical, uint64_t seed, Out<T> B) {
        const size_t n = entries.size(), end = this->likelihood.layout.start();
        require(W.size() == this->table_size(), "W has the wrong size");
        require(typical.size() == n && B.size() == product(n, n), "typical or B does not fit the entries");
        require(between(entries, 0, end) && n <= UINT32_MAX, "entries must be weights of features or of transitions");
        for (size_t i = 1; i < n; ++i) require(entries.data()[i - 1] < entries.data()[i], "entries must increase");
        Call call(this->busy);
        std::fill_n(B.data(), n * n, T(0));
        Chain::add_curvature(W.data(), {this->likelihood.layout, entries.data(), typical.data(), n}, seed, B.data());
    }

    double condition_square() const {
        nb::gil_scoped_release release;
        double sum = 0;
        for (double square : Chain::condition_squares()) sum += square;
        return sum;
    }

    void count_as(In<double> count, double n_seen) {
        require(count.size() == this->n_rows && !this->observed(),
                "count must have one entry a row of the table, and pairs must be all");
        Call call(this->busy);
        Chain::count_as(count.data(), n_seen);
    }

private:
    BoundChain(const Arrays& a, size_t n_columns, size_t K, bool boundaries, Penalty<T> penalty, int n_threads,
               size_t block, bool copied)
        : Chain(checked_data(a, n_columns, K, block), layout_of(a, n_columns, K, boundaries), penalty, n_threads, block,
                copied),
          kept_(a) {}

    static ChainData<T, I> checked_data(const Arrays& a, size_t n_columns, size_t K, size_t block) {
        const Csr<T, I> X = csr(a.indptr, a.indices, a.data, n_columns);
        require(increase(X.indptr, X.n_rows, X.indices), "the indices of a row must increase");
        const size_t n_sequences = sequences_of(a.offsets, a.indptr);
        const DenseBlock<T> V = dense_block(a.vectors, a.vector_size, X.n_rows, n_columns);
        product(std::max<size_t>({n_columns + V.n_columns, X.n_rows, 1}), K);
        require(K > 0 && a.labels.size() == X.n_rows && between(a.labels, kAnyLabel, K),
                "labels must be one a token, from -1 to n_labels - 1");
        require(a.omega.size() == n_sequences && between(a.active, 0, n_sequences),
                "omega must have one entry a sequence, and active index it");
        const int64_t* offsets = a.offsets.data();
        for (size_t i = 0; i < a.active.size(); ++i) {
            int64_t s = a.active.data()[i];
            require(offsets[s + 1] > offsets[s], "active sequences must have tokens");
        }
        require(between(a.transitions, 0, product(K, K)) && a.allowed.size() == K * K + 2 * K,
                "transitions or allowed do not fit n_labels");
        require(block > 0, "block must be positive");
        check_pairs(a.first, a.label, n_columns + V.n_columns, K);
        return {X, offsets, n_sequences, a.labels.data(), a.omega.data(), a.active.data(), a.active.size(), V};
    }

    static ChainLayout<T> layout_of(const Arrays& a, size_t n_columns, size_t K, bool boundaries) {
        const auto* allowed = reinterpret_cast<const uint8_t*>(a.allowed.data());
        const size_t n_transitions = a.transitions.size();
        const auto* first = pointer_or_null(a.first);
        const size_t n_features = n_columns + a.vector_size;
        const Triples triples = triples_of(a.slot, a.first_triple, a.pair, n_columns, K);
        return {n_features,    K,       boundaries, first, a.label.data(), a.transitions.data(),
                n_transitions, allowed, triples};
    }

    void require_tables(const In<T>& W, const Out<T>& G) const {
        require(W.size() == this->table_size() && (G.size() == 0 || G.size() == W.size()), "W or G has the wrong size");
    }

    Arrays kept_;
};
