// AdaGrad's epochs before L-BFGS, for a chain, make the step of rules.hpp on rows of labels that stay expanded all
// along, where the epochs of any rule expand and compress what each batch touches. Threads share a batch.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "base/prefetch.hpp"
#include "base/touched_columns.hpp"
#include "base/vectors.hpp"
#include "chain/chain_objective.hpp"
#include "chain/dense_block.hpp"
#include "solvers/rules.hpp"

template <class T, class I>
class ChainAdaGrad {
public:
    ChainAdaGrad(ChainObjective<T, I>& objective, double epsilon)
        : o_(objective), likelihood_(objective.likelihood), data_(likelihood_.data), layout_(likelihood_.layout),
          width_(likelihood_.width()), parts_(objective.threads()), epsilon_(epsilon) {}

    // Runs one epoch for each of `epochs` learning rates and orders of `n` sequences, and returns the mean loss of the
    // batches of each, before their steps. After one that is not finite W is of no use.
    std::vector<double> run(T* W, const int64_t* orders, size_t n, const double* rates, size_t epochs,
                            size_t batch_size) {
        o_.ranges.split(data_.X, n_threads());
        begin(W);
        std::vector<double> losses;
        Interruption interruption;
        auto finite = [&] { return losses.empty() || std::isfinite(losses.back()); };
        for (size_t e = 0; e < epochs && !interruption.stops(0) && finite(); ++e)
            losses.push_back(epoch(W, orders + e * n, n, batch_size, rates[e], interruption));
        end(W);
        interruption.rethrow();
        return losses;
    }

private:
    using Block = typename ChainObjective<T, I>::Block;

    // Holds what a thread needs for its part of a batch: units of its sequences, then the columns in its range.
    struct Part {
        typename ChainObjective<T, I>::Worker worker;
        std::vector<int64_t> batch, tokens;  // sequences, long ones first, and their tokens
        std::vector<size_t> at;              // of a sequence: its first token among these
        TouchedColumns<T, I> touched;
        Aligned<T> G;

        void list(const ChainData<T, I>& data, const int64_t* sequences, size_t n) {
            batch.assign(sequences, sequences + n);
            auto longer = [&](int64_t a, int64_t b) { return data.length(a) > data.length(b); };
            std::stable_sort(batch.begin(), batch.end(), longer);
            data.list_tokens(batch.data(), n, tokens);
            at.assign(1, 0);
            for (int64_t s : batch) at.push_back(at.back() + data.length(s));
        }
    };

    // Holds what the threads of an epoch share.
    struct Epoch {
        Block block;
        SpinBarrier barrier;
        std::atomic<size_t> next{0};
        double loss = 0;
        bool stop = false;
    };

    int n_threads() const { return static_cast<int>(parts_.size()); }

    // Transitions, triples and boundaries are a tail of their own.
    size_t n_pairs() const { return layout_.n_transitions + layout_.triples.n; }
    size_t n_tail() const { return n_pairs() + (layout_.boundaries ? 2 * layout_.K : 0); }
    size_t tail(size_t q) const {
        if (q < layout_.n_transitions) return layout_.transition(q);
        return q < n_pairs() ? layout_.first_triple() + q - layout_.n_transitions : layout_.start() + q - n_pairs();
    }

    // Expands the weights to rows of labels. Squares begin at 0 for all but the pairs without a weight, which have a
    // divisor so large that they do not move.
    void begin(T* W) {
        const size_t d = layout_.n_features;
        if (!layout_.in_place()) o_.expanded_W.resize(d * width_);
        state_ = layout_.in_place() ? W : o_.expanded_W.data();
        o_.expanded_G.resize(d * width_);
        std::vector<int64_t> tokens;
        data_.list_tokens(data_.active, data_.n_active, tokens);
        n_tokens_ = tokens.size();
        parallel(n_threads(), [&](int t) {
            each_feature(o_.ranges, data_.V, t, [&](size_t j) {
                T* squares = &o_.expanded_G[j * width_];
                std::fill_n(squares, width_, layout_.observed() ? std::numeric_limits<T>::max() / 4 : T(0));
                if (!layout_.in_place()) layout_.expand_padded(W, j, state_ + j * width_);
                if (layout_.observed())
                    for (int64_t p = layout_.first[j]; p < layout_.first[j + 1]; ++p) squares[layout_.label[p]] = 0;
            });
            auto mine = [&](int64_t token) { return o_.ranges.of_row(data_.X, token, t); };
            parts_[t].touched.prepare(data_.X, tokens.data(), tokens.size(), mine);
        });
        layout_.unpack(W, likelihood_.transitions);
        tail_.assign(n_tail(), T(0)), tail_squares_ = tail_gradient_ = tail_;
        for (size_t q = 0; q < n_tail(); ++q) tail_[q] = W[tail(q)];
        rule_ = {o_.expanded_G.data(), epsilon_}, tail_rule_ = {tail_squares_.data(), epsilon_};
    }

    void end(T* W) {
        parallel(n_threads(), [&](int t) {
            if (!layout_.in_place())
                each_feature(o_.ranges, data_.V, t,
                             [&](size_t j) { layout_.compress(state_ + j * width_, j, layout_.weights_of(W, j)); });
        });
        for (size_t q = 0; q < n_tail(); ++q) W[tail(q)] = tail_[q];
        if (layout_.in_place()) o_.expanded_G = {};
    }

    double epoch(T* W, const int64_t* order, size_t n, size_t batch_size, double lr, Interruption& interruption) {
        size_t most = 0;  // tokens of a batch
        for (size_t first = 0; first < n; first += batch_size) {
            size_t tokens = 0;
            for (size_t i = first; i < std::min(first + batch_size, n); ++i) tokens += data_.length(order[i]);
            most = std::max(most, tokens);
        }
        Epoch epoch{Block(most, width_, layout_.K * width_, likelihood_.conditions.any()), SpinBarrier(n_threads())};
        auto batches = [&](int t) {
            Part& part = parts_[t];
            for (size_t first = 0; first < n; first += batch_size) {
                size_t size = std::min(batch_size, n - first);
                part.list(data_, order + first, size);
                if (t == 0) epoch.next = 0, epoch.stop = interruption.stops(0);
                epoch.barrier.wait();
                if (epoch.stop) return;
                T scale = static_cast<T>(static_cast<double>(data_.n_active) / size);
                for (size_t unit; (unit = epoch.next.fetch_add(1)) < kUnits;) run_unit(part, unit, scale, epoch.block);
                epoch.barrier.wait();
                double loss = 0;
                for (double value : epoch.block.loss) loss += value;
                if (!std::isfinite(loss)) {
                    if (t == 0) epoch.loss = NAN;
                    return;
                }
                if (t == 0) {
                    epoch.loss += loss * static_cast<double>(size) / static_cast<double>(n);
                    step_tail(W, part, scale, lr, epoch.block);
                }
                step_features(t, part, scale, lr, epoch.block.D.data());
            }
        };
        parallel(n_threads(), batches, &epoch.barrier);
        return epoch.loss;
    }

    // Computes the loss and the marginals of a unit of the batch's sequences. The sequences are dealt to kUnits units,
    // forwards and backwards in turn, so that units are about as long.
    void run_unit(Part& part, size_t unit, T scale, Block& block) const {
        auto& worker = part.worker;
        block.clear(unit);
        worker.lattice.direct.clear();
        for (size_t first = 0, turn = 0; first < part.batch.size(); first += kUnits, ++turn) {
            size_t i = first + (turn % 2 ? kUnits - 1 - unit : unit);
            if (i >= part.batch.size()) continue;
            size_t s = part.batch[i];
            if (!data_.length(s)) continue;
            likelihood_.gather_sequence(data_.X, data_.offsets[s], s, state_, worker);
            T* D = &block.D[part.at[i] * width_];
            T* P = block.pairs_of(D, width_);
            block.loss[unit] += likelihood_.run_sequence(s, worker.z.data(), data_.omega[s] * scale,
                                                         {D, block.A[unit].data(), P, nullptr}, worker);
        }
        block.direct[unit] = worker.lattice.direct;
    }

    // Steps transitions, triples and boundaries.
    void step_tail(T* W, const Part& part, T scale, double lr, Block& block) {
        const size_t K = layout_.K, m = n_pairs(), size = part.batch.size();
        const TailGradient gradient = tail_gradient(part, scale, block);
        size_t long_ones = 0;
        for (int64_t s : part.batch) long_ones += data_.length(s) > 1;
        for (size_t q = 0; q < m; ++q)
            tail_gradient_[q] = static_cast<T>(q < layout_.n_transitions ? gradient.pairs[layout_.transitions[q]]
                                                                         : gradient.triples[q - layout_.n_transitions]);
        for (size_t k = 0; layout_.boundaries && k < K; ++k) {
            tail_gradient_[m + k] = static_cast<T>(gradient.start[k]);
            tail_gradient_[m + K + k] = static_cast<T>(gradient.end[k]);
        }
        T share_pairs = o_.n_long() ? scale * static_cast<T>(long_ones) / static_cast<T>(o_.n_long()) : T(0);
        T share_ends = scale * static_cast<T>(size) / static_cast<T>(data_.n_active);
        step(tail_rule_, tail_.data(), tail_gradient_.data(), 0, m, share_pairs, lr);
        step(tail_rule_, tail_.data() + m, tail_gradient_.data() + m, m, tail_.size() - m, share_ends, lr);
        for (size_t q = 0; q < tail_.size(); ++q) W[tail(q)] = tail_[q];
        layout_.unpack(W, likelihood_.transitions);
    }

    TailGradient tail_gradient(const Part& part, T scale, Block& block) const {
        const size_t K = layout_.K;
        TailGradient gradient(K, layout_.triples.n);
        auto& A = block.A[0];
        for (size_t u = 1; u < kUnits; ++u)
            for (size_t i = 0; i < A.size(); ++i) A[i] += block.A[u][i];
        likelihood_.finish_pairs(A.data(), block.direct[0], gradient.pairs);
        for (size_t u = 1; u < kUnits; ++u)
            for (size_t i = 0; i < block.direct[u].size(); ++i) gradient.pairs[i] += block.direct[u][i];
        for (size_t i = 0; i < part.batch.size(); ++i) {
            size_t s = part.batch[i], n = data_.length(s);
            const int32_t* y = data_.labels_of(s);
            T omega = data_.omega[s] * scale;
            if (likelihood_.complete[s])
                for (size_t t = 1; t < n; ++t) gradient.pairs[y[t - 1] * K + y[t]] -= omega;
            const T* first = block.D.data() + part.at[i] * width_;
            likelihood_.add_triples(s, block.pairs_of(first, width_), 0, 1, gradient.triples);
            if (n) gradient.add_ends(first, first + (n - 1) * width_);
        }
        return gradient;
    }

    // Steps the features in the range of thread t.
    void step_features(int t, Part& part, T scale, double lr, const T* D) {
        const auto& X = data_.X;
        auto& touched = part.touched;
        const auto& tokens = part.tokens;
        T* squares = o_.expanded_G.data();
        auto mine = [&](int64_t token) { return o_.ranges.of_row(X, token, t); };
        touched.touch(
            X, tokens.data(), tokens.size(), [&](size_t j) { __builtin_prefetch(squares + j * width_); }, mine);
        part.G.assign(touched.size * width_, T(0));
        const uint32_t* local = touched.local.data();
        for (size_t i = 0; i < tokens.size(); ++i) {
            auto [begin, end] = mine(tokens[i]);
            scatter_rows(local, X.data + begin, end - begin, D + i * width_, width_, part.G.data());
            local += end - begin;
        }
        for (size_t r = 0; r < touched.size; ++r) {
            if (r + kRowsAhead < touched.size) {
                size_t ahead = touched.columns[r + kRowsAhead] * width_;
                prefetch_line_ends(squares + ahead, width_), prefetch_line_ends(state_ + ahead, width_);
            }
            size_t j = touched.columns[r];
            step(rule_, state_ + j * width_, &part.G[r * width_], j * width_, width_, scale * touched.part(r), lr);
        }
        step_dense_features(t, part, scale, lr, D);
    }

    // Steps those of the dense features that thread t has.
    void step_dense_features(int t, Part& part, T scale, double lr, const T* D) {
        const DenseBlock<T>& V = data_.V;
        const size_t first = dense_part(V, t, n_threads()), last = dense_part(V, t + 1, n_threads());
        if (first == last) return;
        part.G.assign((last - first) * width_, T(0));
        for (size_t i = 0; i < part.batch.size(); ++i) {
            const int64_t* offset = data_.offsets + part.batch[i];
            add_dense_gradient(V, first, last, offset[0], offset[1], D + part.at[i] * width_, width_, part.G.data());
        }
        const T share = scale * static_cast<T>(part.tokens.size()) / static_cast<T>(n_tokens_);
        const size_t offset = (V.first + first) * width_, size = (last - first) * width_;
        step(rule_, state_ + offset, part.G.data(), offset, size, share, lr);
    }

    // Steps `n` weights, whose squares begin at `offset`.
    void step(AdaGrad<T> rule, T* w, const T* g, size_t offset, size_t n, T share, double lr) const {
        T l1 = share * static_cast<T>(o_.penalty.l1), l2 = share * static_cast<T>(o_.penalty.l2);
        const Step<T> p{static_cast<T>(lr), l1, l2, T(0)};
        auto update = rule.formula();
#pragma GCC ivdep
        for (size_t k = 0; k < n; ++k) update(w[k], g[k], offset + k, p);
    }

    ChainObjective<T, I>& o_;
    ChainLikelihood<T, I>& likelihood_;
    const ChainData<T, I>& data_;
    const ChainLayout<T>& layout_;
    const size_t width_;
    std::vector<Part> parts_;
    double epsilon_;
    size_t n_tokens_ = 0;
    T* state_ = nullptr;
    AdaGrad<T> rule_{}, tail_rule_{};
    std::vector<T> tail_, tail_squares_, tail_gradient_;  // transitions, triples and boundaries
};
