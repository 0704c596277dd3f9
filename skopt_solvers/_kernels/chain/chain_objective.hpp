// The linear-chain CRF over sequences of CSR rows: negative log-likelihood and its gradient.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/column_ranges.hpp"
#include "base/csr.hpp"
#include "base/interrupt.hpp"
#include "base/objective.hpp"
#include "base/parallel.hpp"
#include "base/touched_columns.hpp"
#include "chain/curvature_block.hpp"
#include "chain/dense_block.hpp"
#include "chain/gradient_rows.hpp"
#include "chain/likelihood.hpp"
#include "chain/parameter_layout.hpp"
#include "chain/pass.hpp"
#include "chain/pass_rows.hpp"
#include "chain/sequences.hpp"

template <class T, class I>
class ChainObjective : public Objective<T> {
public:
    using Likelihood = ChainLikelihood<T, I>;
    using Worker = typename Likelihood::Worker;
    using Block = typename Likelihood::Block;

    // A solver that is made for chains alone composes these.
    Likelihood likelihood;
    ColumnRanges ranges;
    Aligned<T> expanded_W, expanded_G;  // rows of all labels, padded to whole vectors

    // A pass takes the sequences in blocks of about `block` non-zeros, and copies their rows into this order if it may.
    ChainObjective(const ChainData<T, I>& data, const ChainLayout<T>& layout, Penalty<T> penalty, int n_threads,
                   size_t block, bool copied)
        : likelihood(data, layout), n_threads_(n_threads), order_(data, block, likelihood.width() * sizeof(T)),
          rows_(likelihood.data, order_, copied), batch_rows_(likelihood.layout) {
        this->n_outputs = layout.n_outputs();
        this->n_rows = layout.size() / this->n_outputs;
        this->n_samples = data.n_sequences;
        this->penalty = penalty;
        count_labels();
    }

    size_t table_size() const { return layout().size(); }
    bool observed() const { return layout().observed(); }
    size_t copied_bytes() const { return rows_.bytes(); }
    size_t n_long() const { return n_long_; }

    // Returns the most bytes that transitions which depend on features take besides the table.
    size_t condition_bytes() const {
        const auto& conditions = likelihood.conditions;
        if (!conditions.any()) return 0;
        size_t longest = 0;
        for (int64_t s : order_.sequences) longest = std::max(longest, data().length(s));
        const size_t matrix = likelihood.K() * likelihood.width(), triples = 8 * layout().triples.n;
        const size_t of_thread = PairScoresCache<T>::most_bytes(conditions, longest, matrix);
        const size_t groups = conditions.grouped() ? 8 * conditions.n_patterns() * matrix : 0;
        const size_t blocks = 2 * order_.block_tokens * (matrix + 2 * likelihood.width()) * sizeof(T);
        return conditions.bytes() + 3 * triples + groups + blocks + threads() * of_thread;
    }
    double penalise(const T* W, T* G) const { return ::penalise(this->penalty, W, G, table_size()); }

    int threads() const {
        const size_t K = likelihood.K();
        return threads_for(n_threads_, static_cast<double>(n_tokens_) * K * (K + 10 + data().V.n_columns));
    }

    // Returns sum_s omega_s nll_s, and writes its gradient where G is given.
    double value_and_gradient(const T* W, T* G) {
        const size_t K = likelihood.K(), table = layout().n_features * likelihood.width();
        const bool in_place = layout().in_place();
        const Csr<T, I> X = rows_.matrix();
        pass_ranges_.split(X, threads());
        layout().unpack(W, likelihood.transitions);
        if (!in_place) {
            if (expanded_W.size() != table) expanded_W.resize(table);
            if (G && expanded_G.size() != table) expanded_G.resize(table);
        }
        const bool grouped = G && likelihood.conditions.grouped();
        if (grouped) groups_.assign(likelihood.conditions.n_patterns() * K * likelihood.width(), 0.0);
        ChainPass<T, I> pass(likelihood, {X, rows_.first.data(), order_, pass_ranges_},
                             {W, G, in_place ? nullptr : expanded_W.data(), in_place ? nullptr : expanded_G.data(),
                              grouped ? groups_.data() : nullptr});
        pass.run();
        if (grouped) {
            likelihood.finish_rows(groups_.data(), pass.tail);
            for (size_t p = 0; p < label_triples_.size(); ++p) pass.tail.triples[p] -= label_triples_[p];
        }
        if (G) {
            for (size_t i = 0; i < K * K; ++i) pass.tail.pairs[i] -= label_pairs_[i];
            layout().pack(pass.tail, G);
        }
        return pass.loss;
    }

    // Adds to the lower triangle of B an estimate of the Hessian of the loss at W on some entries of the table.
    void add_curvature(const T* W, const BlockEntries<T>& entries, uint64_t seed, T* B) {
        const size_t width = likelihood.width(), n = layout().n_features;
        layout().unpack(W, likelihood.transitions);
        const T* state = W;
        if (!layout().in_place()) {
            if (expanded_W.size() != n * width) expanded_W.resize(n * width);
            for (size_t j = 0; j < n; ++j) layout().expand_padded(W, j, &expanded_W[j * width]);
            state = expanded_W.data();
        }
        CurvatureSampler<T, I>(likelihood, entries).add(state, seed, threads(), B);
    }

    // Sets the shares of the penalty as linear models do. A row of transitions counts the sequences that have one.
    // Pairs must be all, not the observed ones.
    void count_as(const double* count, double n_seen) {
        double times = n_seen / static_cast<double>(data().n_active);
        touched_.count_as(count, layout().n_features, times);
        long_count_ = count[layout().n_features] / times;
        if (data().V.n_columns) set_dense_count(count[data().V.first] / times);
    }

    const RowGradient<T>& gradient(const T* W, const int64_t* batch, size_t n) override {
        const size_t K = likelihood.K(), width = likelihood.width();
        gather_batch(W, batch, n);
        worker_.lattice.direct.clear();
        A_.assign(K * width, T(0));
        T scale = static_cast<T>(static_cast<double>(data().n_active) / n);
        TailGradient tail(K, layout().triples.n);
        double loss = 0;
        size_t long_ones = 0, begin = 0;
        for (size_t b = 0; b < n; ++b) {
            size_t s = batch[b], length = data().length(s);
            if (!length) continue;
            T *z = &z_[begin * width], *d = &d_[begin * width];
            if (likelihood.conditions.any()) reserve(P_, length * K * width);
            loss +=
                likelihood.run_sequence(s, z, data().omega[s] * scale, {d, A_.data(), P_.data(), &tail.pairs}, worker_);
            likelihood.add_triples(s, P_.data(), 0, 1, tail.triples);
            tail.add_ends(d, d + (length - 1) * width);
            long_ones += length > 1;
            begin += length;
        }
        likelihood.finish_pairs(A_.data(), worker_.lattice.direct, tail.pairs);
        batch_.loss = loss;
        scatter_batch(batch, n, scale);
        T share_pairs = long_count_ > 0 ? scale * static_cast<T>(long_ones) / static_cast<T>(long_count_) : T(0);
        batch_rows_.end(tail, share_pairs, scale * static_cast<T>(n) / static_cast<T>(data().n_active), batch_);
        return batch_;
    }

    // Computes sum_s omega_s sum_t x_tj^2 for the rows of features. Transitions count as K features that are each on in
    // 1/K of the tokens, and boundaries in one token of a sequence. A feature of transitions counts as K such ones.
    void squared_norms(double* square) const {
        const auto& X = data().X;
        const auto& V = data().V;
        std::vector<double> features(layout().n_features, 0.0);
        double later = 0, ends = 0;
        for (size_t a = 0; a < data().n_active; ++a) {
            size_t s = data().active[a], begin = data().offsets[s], end = data().offsets[s + 1];
            double omega = data().omega[s];
            ends += omega;
            later += omega * static_cast<double>(end - begin - 1);
            for (size_t p = X.indptr[begin]; p < static_cast<size_t>(X.indptr[end]); ++p)
                features[X.indices[p]] += omega * X.data[p] * X.data[p];
            for (size_t token = begin; token < end; ++token)
                for (size_t j = 0; j < V.n_columns; ++j)
                    features[V.first + j] += omega * V.row(token)[j] * V.row(token)[j];
        }
        std::vector<double> conditions = condition_squares();
        for (double& value : conditions) value /= static_cast<double>(likelihood.K());
        layout().spread(features.data(), later / static_cast<double>(likelihood.K()), ends, conditions.data(), square);
    }

    // Returns the same sum for each feature that transitions depend on, over the tokens that end a pair.
    std::vector<double> condition_squares() const {
        const auto& conditions = likelihood.conditions;
        std::vector<double> square(layout().triples.n_features, 0.0);
        for (size_t a = 0; a < data().n_active && conditions.any(); ++a) {
            const size_t s = data().active[a];
            for (int64_t token = data().offsets[s] + 1; token < data().offsets[s + 1]; ++token)
                if (conditions.has(token)) conditions.add_squares(token, data().omega[s], square.data());
        }
        return square;
    }

private:
    const ChainData<T, I>& data() const { return likelihood.data; }
    const ChainLayout<T>& layout() const { return likelihood.layout; }

    // Adds up what the labels alone tell of the gradient.
    void count_labels() {
        const auto& conditions = likelihood.conditions;
        const bool grouped = conditions.grouped();
        label_pairs_.assign(likelihood.K() * likelihood.K(), 0.0);
        label_triples_.assign(grouped ? layout().triples.n : 0, 0.0);
        for (int64_t s : order_.sequences) {
            n_tokens_ += data().length(s);
            n_long_ += data().length(s) > 1;
            const int32_t *y = data().labels_of(s), *last = y + data().length(s);
            if (!likelihood.complete[s]) continue;
            for (size_t token = data().offsets[s] + 1; y + 1 < last; ++y, ++token) {
                label_pairs_[y[0] * likelihood.K() + y[1]] += data().omega[s];
                if (grouped && conditions.has(token))
                    conditions.add_label(token, y[0], y[1], data().omega[s], label_triples_.data());
            }
        }
        long_count_ = static_cast<double>(n_long_);
    }

    // Computes the scores z_ of a batch's tokens. The weights of the batch lie together, and a feature that many tokens
    // have is looked up once.
    void gather_batch(const T* W, const int64_t* batch, size_t n) {
        const size_t width = likelihood.width();
        const auto& X = data().X;
        if (!touched_.prepared()) {
            data().list_tokens(data().active, data().n_active, tokens_);
            touched_.prepare(X, tokens_.data(), tokens_.size());
            set_dense_count(static_cast<double>(tokens_.size()));
        }
        data().list_tokens(batch, n, tokens_);
        touched_.touch(X, tokens_.data(), tokens_.size(),
                       [&](size_t j) { __builtin_prefetch(layout().weights_of(W, j)); });
        layout().unpack(W, likelihood.transitions);
        reserve(z_, tokens_.size() * width);
        reserve(d_, tokens_.size() * width);
        list_dense_columns();
        local_W_.assign(n_batch_columns() * width, T(0));
        for (size_t r = 0; r < n_batch_columns(); ++r) layout().expand(W, touched_.columns[r], &local_W_[r * width]);
        const uint32_t* local = touched_.local.data();
        for (size_t i = 0; i < tokens_.size(); ++i) {
            size_t begin = X.indptr[tokens_[i]], nnz = X.indptr[tokens_[i] + 1] - begin;
            gather_rows(local, X.data + begin, nnz, local_W_.data(), width, &z_[i * width]);
            local += nnz;
        }
        const T* dense_W = local_W_.data() + touched_.size * width;
        each_of_batch(batch, n, [&](size_t begin, size_t end, size_t i) {
            add_dense_scores(data().V, begin, end, dense_W, width, z_.data() + i * width);
        });
    }

    // Turns the gradient d_ with respect to the scores into rows of features.
    void scatter_batch(const int64_t* batch, size_t n, T scale) {
        const size_t width = likelihood.width();
        const auto& X = data().X;
        const size_t n_dense = data().V.n_columns;
        batch_rows_.begin(touched_.columns.data(), n_batch_columns(), batch_);
        local_G_.assign(n_batch_columns() * width, T(0));
        const uint32_t* local = touched_.local.data();
        for (size_t i = 0; i < tokens_.size(); ++i) {
            size_t begin = X.indptr[tokens_[i]], nnz = X.indptr[tokens_[i] + 1] - begin;
            scatter_rows(local, X.data + begin, nnz, &d_[i * width], width, local_G_.data());
            local += nnz;
        }
        T* dense_G = local_G_.data() + touched_.size * width;
        each_of_batch(batch, n, [&](size_t begin, size_t end, size_t i) {
            add_dense_gradient(data().V, 0, n_dense, begin, end, d_.data() + i * width, width, dense_G);
        });
        const T dense_part = static_cast<T>(tokens_.size()) * inverse_dense_count_;
        for (size_t r = 0; r < n_batch_columns(); ++r) {
            batch_rows_.set_share(r, scale * (r < touched_.size ? touched_.part(r) : dense_part), batch_);
            batch_rows_.set_values(r, &local_G_[r * width], batch_);
        }
    }

    // The columns of a batch are those that it touches, and after them all dense ones.
    size_t n_batch_columns() const { return touched_.size + data().V.n_columns; }

    void list_dense_columns() {
        const DenseBlock<T>& V = data().V;
        if (V.n_columns) reserve(touched_.columns, n_batch_columns());
        for (size_t j = 0; j < V.n_columns; ++j)
            touched_.columns[touched_.size + j] = static_cast<int64_t>(V.first + j);
    }

    void set_dense_count(double count) { inverse_dense_count_ = count > 0 ? static_cast<T>(1 / count) : T(0); }

    // Calls f(begin, end, i) for each sequence of a batch: its tokens, and the place of the first in the batch.
    template <class F>
    void each_of_batch(const int64_t* batch, size_t n, F f) const {
        for (size_t b = 0, i = 0; b < n && data().V.n_columns; i += data().length(batch[b++]))
            f(data().offsets[batch[b]], data().offsets[batch[b] + 1], i);
    }

    int n_threads_;
    PassOrder order_;
    PassRows<T, I> rows_;
    ColumnRanges pass_ranges_;
    size_t n_tokens_ = 0, n_long_ = 0;
    double long_count_ = 0;
    std::vector<double> label_pairs_;    // the weight of each transition among the labels
    std::vector<double> label_triples_;  // of each triple, where the pairs of patterns are added up
    Aligned<double> groups_;
    // of minibatches
    TouchedColumns<T, I> touched_;
    T inverse_dense_count_ = 0;  // 1 over the tokens of all samples
    std::vector<int64_t> tokens_;
    Aligned<T> z_, d_, A_, P_, local_W_, local_G_;
    Worker worker_;
    ChainRows<T> batch_rows_;
    RowGradient<T> batch_;
};
