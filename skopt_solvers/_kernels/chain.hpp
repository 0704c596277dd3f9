// The linear-chain CRF over sequences of CSR rows: negative log-likelihood and its gradient.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "chain_layout.hpp"
#include "csr.hpp"
#include "interrupt.hpp"
#include "lattice.hpp"
#include "objective.hpp"
#include "parallel.hpp"
#include "touched.hpp"

template <class T, class I>
struct ChainData {
    Csr<T, I> X;
    const int64_t* offsets;  // tokens [offsets[s], offsets[s + 1]) are sequence s
    size_t n_sequences;
    const int32_t* labels;  // of a token, kAnyLabel where it is missing
    const T* omega;         // of a sequence: its weight over that of all tokens
};

template <class T, class I>
class ChainObjective : public Objective<T> {
public:
    // `active` lists the sequences that have tokens and a positive weight: the samples of the problem. A pass over all of them takes
    // them in the order of `active` but for blocks of about `block` non-zeros.
    ChainObjective(ChainData<T, I> data, ChainLayout<T> layout, const int64_t* active, size_t n_active, Penalty<T> penalty, int n_threads, size_t block)
        : data_(data), layout_(layout), active_(active), n_active_(n_active), block_(block), n_threads_(n_threads), chain_(layout.K), rows_(layout_) {
        this->n_outputs = layout.n_outputs();
        this->n_rows = layout.size() / this->n_outputs;
        this->n_samples = data.n_sequences;
        this->penalty = penalty;
        arrange();
    }

    size_t table_size() const { return layout_.size(); }
    bool observed() const { return layout_.observed(); }
    double penalise(const T* W, T* G) const { return ::penalise(this->penalty, W, G, table_size()); }

    // sum_s omega_s nll_s, and its gradient where G is given. Sequences are taken by blocks of units: threads share the units of
    // a block, and when its marginals are there each adds them to its own range of features. Sums are formed in an
    // order that does not depend on the threads.
    double value_and_gradient(const T* W, T* G) {
        const size_t K = layout_.K, width = chain_.width, d = layout_.n_features;
        const int n = threads();
        const bool in_place = this->in_place();
        ranges_.split(data_.X, n);
        layout_.unpack(W, chain_);
        if (!in_place) {
            if (W_.size() != d * width) W_.resize(d * width);
            if (G && G_.size() != d * width) G_.resize(d * width);
        }
        const T* state = in_place ? W : W_.data();
        T* gradient = in_place ? G : G_.data();
        const size_t pairs_size = K * width;
        std::vector<Block> blocks(2, Block(G ? block_tokens_ * width : 0, kUnits, G ? pairs_size : 0));
        std::vector<double> pairs(G ? K * K : 0, 0.0), start(G ? K : 0, 0.0), end(G ? K : 0, 0.0);
        double loss = 0;
        SpinBarrier barrier(n);
        std::atomic<size_t> next{0};
        Interruption interruption;
        bool stops[2] = {};  // by blocks that are even or odd: all threads leave after the same one
        parallel(n, [&](int t) {
            Worker worker;
            const size_t first_column = ranges_.bounds[t], last_column = ranges_.bounds[t + 1];
            if (!in_place) {
                for (size_t j = first_column; j < last_column; ++j) expand(W, j);
                barrier.wait();
            }
            if (G) std::fill(gradient + first_column * width, gradient + last_column * width, T(0));
            for (size_t b = 0; b < n_blocks(); ++b) {
                Block& block = blocks[b % 2];
                size_t first = b * kUnits, last = std::min(first + kUnits, units_.size() - 1), unit;
                while ((unit = next.load()) < last)
                    if (next.compare_exchange_weak(unit, unit + 1)) run_unit(unit, first, state, block, worker, G != nullptr);
                if (t == 0) stops[b % 2] = interruption.stops(0);
                barrier.wait();
                if (stops[b % 2]) return;
                if (G) scatter_block(first, last, t, block, gradient);
                if (t == 0) {
                    for (size_t u = 0; u < last - first; ++u) loss += block.loss[u];
                    if (G) add_block(first, last, block, pairs, start, end);
                }
            }
            if (G && !in_place)
                for (size_t j = first_column; j < last_column; ++j) layout_.compress(gradient + j * width, j, layout_.weights_of(G, j));
        }, &barrier);
        interruption.rethrow();
        if (G) {
            for (size_t i = 0; i < K * K; ++i) pairs[i] -= observed_[i];
            layout_.pack(pairs, start, end, G);
        }
        return loss;
    }

    // As for linear models; a row of transitions counts the sequences that have one. Not with observed pairs.
    void count_as(const double* count, double n_seen) {
        double times = n_seen / static_cast<double>(n_active_);
        touched_.count_as(count, layout_.n_features, times);
        long_count_ = count[layout_.n_features] / times;
    }

    const RowGradient<T>& gradient(const T* W, const int64_t* batch, size_t n) override {
        const size_t K = layout_.K, width = chain_.width;
        if (!touched_.prepared()) {
            list_tokens(active_, n_active_, tokens_);
            touched_.prepare(data_.X, tokens_.data(), tokens_.size());
        }
        list_tokens(batch, n, tokens_);
        touched_.touch(data_.X, tokens_.data(), tokens_.size(), [&](size_t j) { return layout_.weights_of(W, j); });
        layout_.unpack(W, chain_);
        reserve(z_, tokens_.size() * width);
        reserve(d_, tokens_.size() * width);
        A_.assign(K * width, T(0));
        worker_.lattice.direct.clear();
        // the weights of the batch lie together, and a feature that many tokens have is looked up once
        local_W_.assign(touched_.size * width, T(0));
        local_G_.assign(touched_.size * width, T(0));
        for (size_t r = 0; r < touched_.size; ++r) layout_.expand(W, touched_.columns[r], &local_W_[r * width]);
        auto& out = batch_;
        T scale = static_cast<T>(static_cast<double>(n_active_) / n);
        std::vector<double> pairs(K * K, 0.0), start(K, 0.0), end(K, 0.0);
        out.loss = 0;
        size_t long_ones = 0, begin = 0;
        const uint32_t* local = touched_.local.data();
        for (size_t i = 0; i < tokens_.size(); ++i) {
            const T* x;
            const I* index;
            size_t nnz = row(tokens_[i], index, x);
            gather_rows(local, x, nnz, local_W_.data(), width, &z_[i * width]);
            local += nnz;
        }
        for (size_t b = 0; b < n; ++b) {
            size_t s = batch[b], length = data_.offsets[s + 1] - data_.offsets[s];
            if (!length) continue;
            T *z = &z_[begin * width], *d = &d_[begin * width];
            T omega = data_.omega[s] * scale;
            out.loss += run_sequence(s, z, length, omega, d, A_.data(), worker_, &pairs);
            for (size_t k = 0; k < K; ++k) start[k] += d[k], end[k] += d[(length - 1) * width + k];
            long_ones += length > 1;
            begin += length;
        }
        finish_pairs(A_.data(), worker_.lattice.direct, pairs);
        rows_.begin(touched_.columns.data(), touched_.size, out);
        local = touched_.local.data();
        for (size_t i = 0; i < tokens_.size(); ++i) {
            const T* x;
            const I* index;
            size_t nnz = row(tokens_[i], index, x);
            scatter_rows(local, x, nnz, &d_[i * width], width, local_G_.data());
            local += nnz;
        }
        for (size_t r = 0; r < touched_.size; ++r) {
            rows_.set_share(r, scale * touched_.part(r), out);
            rows_.set_values(r, &local_G_[r * width], out);
        }
        T share_pairs = long_count_ > 0 ? scale * static_cast<T>(long_ones) / static_cast<T>(long_count_) : T(0);
        rows_.end(pairs, start, end, share_pairs, scale * static_cast<T>(n) / static_cast<T>(n_active_), out);
        return out;
    }

    // sum_s omega_s sum_t x_tj^2 for the rows of features; transitions count as K features that are each on in 1/K of the
    // tokens, and boundaries in one token of a sequence.
    void squared_norms(double* square) const {
        std::vector<double> features(layout_.n_features, 0.0);
        double later = 0, ends = 0;
        for (size_t a = 0; a < n_active_; ++a) {
            size_t s = active_[a], begin = data_.offsets[s], end = data_.offsets[s + 1];
            double omega = data_.omega[s];
            ends += omega;
            later += omega * static_cast<double>(end - begin - 1);
            for (size_t p = data_.X.indptr[begin]; p < static_cast<size_t>(data_.X.indptr[end]); ++p)
                features[data_.X.indices[p]] += omega * data_.X.data[p] * data_.X.data[p];
        }
        layout_.spread(features.data(), later / static_cast<double>(layout_.K), ends, square);
    }

protected:
    static constexpr size_t kUnits = 8;  // of a block

    struct Worker {
        Lattice<T> lattice;
        Aligned<T> z, second;
    };

    struct Block {
        Aligned<T> D;
        std::vector<Aligned<T>> A;
        std::vector<std::vector<double>> direct;
        std::vector<double> loss;
        Block(size_t tokens, size_t units, size_t pairs) : D(tokens), A(units, Aligned<T>(pairs)), direct(units), loss(units) {}
    };

    // Whether the rows of W are whole vectors of all labels, so that a pass reads them where they are.
    bool in_place() const { return !layout_.observed() && layout_.K == chain_.width; }

    // Row j of W_: the weights of feature j, and 0 for labels without one.
    void expand(const T* W, size_t j) {
        T* row = &W_[j * chain_.width];
        std::fill_n(row, chain_.width, T(0));
        layout_.expand(W, j, row);
    }

    int threads() const { return threads_for(n_threads_, static_cast<double>(n_tokens_) * layout_.K * (layout_.K + 10)); }
    size_t n_blocks() const { return (units_.size() - 1 + kUnits - 1) / kUnits; }
    size_t length(size_t s) const { return data_.offsets[s + 1] - data_.offsets[s]; }
    size_t row(size_t i, const I*& index, const T*& x) const {
        size_t begin = data_.X.indptr[i];
        index = data_.X.indices + begin;
        x = data_.X.data + begin;
        return data_.X.indptr[i + 1] - begin;
    }

    // Long sequences first, so that the units of a block take about as long; units of whole sequences; and what the labels
    // alone tell of the gradient.
    void arrange() {
        order_.assign(active_, active_ + n_active_);
        for (auto begin = order_.begin(), end = begin; begin != order_.end(); begin = end) {
            for (size_t nnz = 0; end != order_.end() && nnz < block_; ++end) nnz += data_.X.indptr[data_.offsets[*end + 1]] - data_.X.indptr[data_.offsets[*end]];
            std::stable_sort(begin, end, [&](int64_t a, int64_t b) { return length(a) > length(b); });
        }
        observed_.assign(layout_.K * layout_.K, 0.0);
        partial_.resize(data_.n_sequences);
        for (size_t s = 0; s < data_.n_sequences; ++s) {
            const int32_t *y = data_.labels + data_.offsets[s], *last = data_.labels + data_.offsets[s + 1];
            partial_[s] = std::find(y, last, kAnyLabel) != last;
        }
        for (int64_t s : order_) {
            n_tokens_ += length(s);
            n_long_ += length(s) > 1;
            const int32_t *y = data_.labels + data_.offsets[s], *last = data_.labels + data_.offsets[s + 1];
            if (!partial_[s])
                for (; y + 1 < last; ++y) observed_[y[0] * layout_.K + y[1]] += data_.omega[s];
        }
        long_count_ = static_cast<double>(n_long_);
        // a block's marginals stay in the cache until they are added up
        size_t target = std::max<size_t>(32, std::min(n_tokens_ / 64, (size_t(1) << 14) / (chain_.width * sizeof(T))));
        size_t tokens = 0;
        units_.assign(1, 0);
        for (size_t i = 0; i < order_.size(); ++i) {
            tokens += length(order_[i]);
            if (tokens >= target || i + 1 == order_.size()) units_.push_back(i + 1), tokens = 0;
        }
        for (size_t b = 0; b < n_blocks(); ++b) {
            size_t sum = 0;
            for (size_t i = units_[b * kUnits]; i < units_[std::min((b + 1) * kUnits, units_.size() - 1)]; ++i) sum += length(order_[i]);
            block_tokens_ = std::max(block_tokens_, sum);
        }
    }

    // worker.z = the scores of a sequence under rows of weights that are `width` apart.
    void gather_sequence(size_t s, const T* state, Worker& worker) const {
        const auto& X = data_.X;
        const size_t width = chain_.width, token = data_.offsets[s], n = length(s);
        if (worker.z.size() < n * width) worker.z.resize(n * width);
        for (size_t i = token; i < token + n; ++i) {
            size_t begin = X.indptr[i], end = X.indptr[i + 1];
            if (i + 1 < token + n)
                for (size_t p = end; p < static_cast<size_t>(X.indptr[i + 2]); ++p) prefetch_line_ends(state + static_cast<size_t>(X.indices[p]) * width, width);
            gather_rows(X.indices + begin, X.data + begin, end - begin, state, width, &worker.z[(i - token) * width]);
        }
    }

    // The weighted loss of a sequence from its scores z; D = its gradient with respect to z, A += its expected pairs.
    // The pairs of its labels are subtracted from `pairs` where given.
    double run_sequence(size_t s, T* z, size_t n, T omega, T* D, T* A, Worker& worker, std::vector<double>* pairs) {
        const size_t K = layout_.K, width = chain_.width;
        const int32_t* y = data_.labels + data_.offsets[s];
        auto& lattice = worker.lattice;
        double log_z = lattice.forward(z, n, chain_);
        if (D) lattice.backward(omega, D, A);
        if (partial_[s]) {
            double observed = lattice.forward(z, n, chain_, y);
            if (D) {
                if (worker.second.size() < n * width) worker.second.resize(n * width);
                lattice.backward(-omega, worker.second.data(), A);
                for (size_t i = 0; i < n * width; ++i) D[i] += worker.second[i];
            }
            return omega * (log_z - observed);
        }
        for (size_t t = 0; t < n; ++t) {
            if (D) D[t * width + y[t]] -= omega;
            if (pairs && t) (*pairs)[y[t - 1] * K + y[t]] -= omega;
        }
        return omega * (log_z - path_score(z, y, n, chain_));
    }

    void run_unit(size_t unit, size_t first_unit, const T* state, Block& block, Worker& worker, bool gradient) {
        const size_t width = chain_.width, u = unit - first_unit;
        size_t at = 0;
        for (size_t i = units_[first_unit]; i < units_[unit]; ++i) at += length(order_[i]);
        block.loss[u] = 0;
        std::fill(block.A[u].begin(), block.A[u].end(), T(0));
        worker.lattice.direct.clear();
        for (size_t i = units_[unit]; i < units_[unit + 1]; ++i) {
            size_t s = order_[i], n = length(s);
            gather_sequence(s, state, worker);
            T* D = gradient ? &block.D[at * width] : nullptr;
            block.loss[u] += run_sequence(s, worker.z.data(), n, data_.omega[s], D, block.A[u].data(), worker, nullptr);
            at += n;
        }
        block.direct[u] = worker.lattice.direct;
    }

    // The part of a block's gradient that lies in the columns of thread t.
    void scatter_block(size_t first, size_t last, int t, const Block& block, T* gradient) const {
        constexpr size_t ahead = 2;  // tokens
        const auto& X = data_.X;
        const size_t width = chain_.width;
        const T* d = block.D.data();
        for (size_t i = units_[first]; i < units_[last]; ++i) {
            size_t s = order_[i], end = data_.offsets[s + 1];
            for (size_t token = data_.offsets[s]; token < end; ++token, d += width) {
                if (token + ahead < end)
                    for (auto [p, last] = ranges_.of_row(X, token + ahead, t); p < last; ++p) prefetch_line_ends(gradient + static_cast<size_t>(X.indices[p]) * width, width);
                auto [p, last] = ranges_.of_row(X, token, t);
                if (p < last) scatter_rows(X.indices + p, X.data + p, last - p, d, width, gradient);
            }
        }
    }

    // pairs += M A + direct
    void finish_pairs(const T* A, const std::vector<double>& direct, std::vector<double>& pairs) const {
        const size_t K = layout_.K, width = chain_.width;
        for (size_t i = 0; i < K; ++i)
            for (size_t j = 0; j < K; ++j) pairs[i * K + j] += static_cast<double>(A[i * width + j]) * chain_.M[i * width + j];
        for (size_t i = 0; i < direct.size(); ++i) pairs[i] += direct[i];
    }

    void add_block(size_t first, size_t last, const Block& block, std::vector<double>& pairs, std::vector<double>& start, std::vector<double>& end) const {
        const size_t K = layout_.K, width = chain_.width;
        for (size_t u = 0; u < last - first; ++u) finish_pairs(block.A[u].data(), block.direct[u], pairs);
        size_t at = 0;
        for (size_t i = units_[first]; i < units_[last]; ++i) {
            const T *head = &block.D[at * width], *tail = head + (length(order_[i]) - 1) * width;
            for (size_t k = 0; k < K; ++k) start[k] += head[k], end[k] += tail[k];
            at += length(order_[i]);
        }
    }

    void list_tokens(const int64_t* sequences, size_t n, std::vector<int64_t>& tokens) const {
        tokens.clear();
        for (size_t i = 0; i < n; ++i)
            for (int64_t token = data_.offsets[sequences[i]]; token < data_.offsets[sequences[i] + 1]; ++token) tokens.push_back(token);
    }

    ChainData<T, I> data_;
    ChainLayout<T> layout_;
    const int64_t* active_;
    size_t n_active_, block_, n_tokens_ = 0, n_long_ = 0, block_tokens_ = 0;
    double long_count_ = 0;
    int n_threads_;
    Transitions<T> chain_;
    std::vector<int64_t> order_;
    std::vector<size_t> units_;
    ColumnRanges ranges_;
    std::vector<bool> partial_;
    std::vector<double> observed_;
    Aligned<T> W_, G_;
    // of minibatches
    TouchedColumns<T, I> touched_;
    std::vector<int64_t> tokens_;
    Aligned<T> z_, d_, A_, local_W_, local_G_;
    Worker worker_;
    ChainRows<T> rows_;
    RowGradient<T> batch_;
};
