// AdaGrad's epochs before L-BFGS, for a chain: rules.hpp's step on rows of labels that stay expanded all along, where the
// epochs of any rule expand and compress what each batch touches. Threads share a batch.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "chain.hpp"
#include "rules.hpp"

template <class T, class I>
class ChainWarmUp : public ChainObjective<T, I> {
    using Base = ChainObjective<T, I>;
    using Base::active_, Base::chain_, Base::data_, Base::kUnits, Base::layout_, Base::n_active_, Base::n_long_, Base::ranges_;
    using Base::G_, Base::W_;

public:
    using Base::Base;

    // One epoch for each of `epochs` learning rates and orders of `n` sequences. The mean loss of an epoch's batches, each
    // before its step; after one that is not finite W is of no use.
    std::vector<double> warm_up(T* W, const int64_t* orders, size_t n, const double* rates, size_t epochs, size_t batch_size, double epsilon) {
        int n_threads = this->threads();
        ranges_.split(data_.X, n_threads);
        begin(W, n_threads, epsilon);
        std::vector<double> losses;
        Interruption interruption;
        for (size_t e = 0; e < epochs && !interruption.stops(0) && (losses.empty() || std::isfinite(losses.back())); ++e)
            losses.push_back(epoch(W, orders + e * n, n, batch_size, rates[e], interruption));
        end(W, n_threads);
        interruption.rethrow();
        return losses;
    }

private:
    // What a thread does with a batch: a unit of its sequences, then the columns in its range.
    struct Part {
        typename Base::Worker worker;
        std::vector<int64_t> batch, tokens;  // sequences, long ones first, and their tokens
        std::vector<size_t> at;              // of a sequence: its first token among these
        TouchedColumns<T, I> touched;
        Aligned<T> G;

        void list(const ChainWarmUp& chain, const int64_t* sequences, size_t n) {
            batch.assign(sequences, sequences + n);
            std::stable_sort(batch.begin(), batch.end(), [&](int64_t a, int64_t b) { return chain.length(a) > chain.length(b); });
            chain.list_tokens(batch.data(), n, tokens);
            at.assign(1, 0);
            for (int64_t s : batch) at.push_back(at.back() + chain.length(s));
        }
    };

    size_t n_tail() const { return layout_.n_transitions + (layout_.boundaries ? 2 * layout_.K : 0); }
    size_t tail(size_t q) const { return q < layout_.n_transitions ? layout_.transition(q) : layout_.start() + q - layout_.n_transitions; }

    // Weights as rows of labels, and squares that are 0 for all but the pairs without a weight: those have a divisor so
    // large that they do not move.
    void begin(T* W, int n_threads, double epsilon) {
        const size_t d = layout_.n_features, width = chain_.width;
        if (!this->in_place()) W_.resize(d * width);
        state_ = this->in_place() ? W : W_.data();
        G_.resize(d * width);
        parts_ = std::vector<Part>(n_threads);
        std::vector<int64_t> tokens;
        this->list_tokens(active_, n_active_, tokens);
        parallel(n_threads, [&](int t) {
            for (size_t j = ranges_.bounds[t]; j < ranges_.bounds[t + 1]; ++j) {
                T* squares = &G_[j * width];
                std::fill_n(squares, width, layout_.observed() ? std::numeric_limits<T>::max() / 4 : T(0));
                if (!this->in_place()) this->expand(W, j);
                if (layout_.observed())
                    for (int64_t p = layout_.first[j]; p < layout_.first[j + 1]; ++p) squares[layout_.label[p]] = 0;
            }
            parts_[t].touched.prepare(data_.X, tokens.data(), tokens.size(), [&](int64_t token) { return ranges_.of_row(data_.X, token, t); });
        });
        layout_.unpack(W, chain_);
        tail_.assign(n_tail(), T(0)), tail_squares_ = tail_gradient_ = tail_;
        for (size_t q = 0; q < n_tail(); ++q) tail_[q] = W[tail(q)];
        rule_ = {G_.data(), epsilon}, tail_rule_ = {tail_squares_.data(), epsilon};
    }

    void end(T* W, int n_threads) {
        parallel(n_threads, [&](int t) {
            for (size_t j = ranges_.bounds[t]; j < ranges_.bounds[t + 1] && !this->in_place(); ++j) layout_.compress(state_ + j * chain_.width, j, layout_.weights_of(W, j));
        });
        for (size_t q = 0; q < n_tail(); ++q) W[tail(q)] = tail_[q];
        parts_.clear();
        if (this->in_place()) G_ = {};
    }

    double epoch(T* W, const int64_t* order, size_t n, size_t batch_size, double lr, Interruption& interruption) {
        const size_t K = layout_.K, width = chain_.width;
        size_t most = 0;  // tokens of a batch
        for (size_t first = 0; first < n; first += batch_size) {
            size_t tokens = 0;
            for (size_t i = first; i < std::min(first + batch_size, n); ++i) tokens += this->length(order[i]);
            most = std::max(most, tokens);
        }
        typename Base::Block block(most * width, kUnits, K * width);
        double total = 0;
        bool stop = false;
        const int n_threads = static_cast<int>(parts_.size());
        SpinBarrier barrier(n_threads);
        std::atomic<size_t> next{0};
        parallel(n_threads, [&](int t) {
            Part& part = parts_[t];
            for (size_t first = 0; first < n; first += batch_size) {
                size_t size = std::min(batch_size, n - first);
                part.list(*this, order + first, size);
                if (t == 0) next = 0, stop = interruption.stops(0);
                barrier.wait();
                if (stop) return;
                T scale = static_cast<T>(static_cast<double>(n_active_) / size);
                for (size_t unit; (unit = next.fetch_add(1)) < kUnits;) run_unit(part, unit, scale, block);
                barrier.wait();
                double loss = 0;
                for (double value : block.loss) loss += value;
                if (!std::isfinite(loss)) {
                    if (t == 0) total = NAN;
                    return;
                }
                if (t == 0) {
                    total += loss * static_cast<double>(size) / static_cast<double>(n);
                    step_tail(W, part, scale, lr, block);
                }
                step_features(t, part, scale, lr, block.D.data());
            }
        }, &barrier);
        return total;
    }

    // The loss and the marginals of a unit of the batch's sequences: kUnits of them are dealt, forwards and backwards in turn, so
    // that units are about as long.
    void run_unit(Part& part, size_t unit, T scale, typename Base::Block& block) {
        auto& worker = part.worker;
        block.loss[unit] = 0;
        std::fill(block.A[unit].begin(), block.A[unit].end(), T(0));
        worker.lattice.direct.clear();
        for (size_t first = 0, turn = 0; first < part.batch.size(); first += kUnits, ++turn) {
            size_t i = first + (turn % 2 ? kUnits - 1 - unit : unit);
            if (i >= part.batch.size()) continue;
            size_t s = part.batch[i], n = this->length(s);
            if (!n) continue;
            this->gather_sequence(s, state_, worker);
            T* D = &block.D[part.at[i] * chain_.width];
            block.loss[unit] += this->run_sequence(s, worker.z.data(), n, data_.omega[s] * scale, D, block.A[unit].data(), worker, nullptr);
        }
        block.direct[unit] = worker.lattice.direct;
    }

    // Transitions and boundaries.
    void step_tail(T* W, const Part& part, T scale, double lr, typename Base::Block& block) {
        const size_t K = layout_.K, width = chain_.width, size = part.batch.size();
        std::vector<double> pairs(K * K, 0.0), start(K, 0.0), end(K, 0.0);
        size_t long_ones = 0;
        auto& A = block.A[0];
        for (size_t u = 1; u < kUnits; ++u)
            for (size_t i = 0; i < A.size(); ++i) A[i] += block.A[u][i];
        this->finish_pairs(A.data(), block.direct[0], pairs);
        for (size_t u = 1; u < kUnits; ++u)
            for (size_t i = 0; i < block.direct[u].size(); ++i) pairs[i] += block.direct[u][i];
        for (size_t i = 0; i < size; ++i) {
            size_t s = part.batch[i], n = this->length(s), at = part.at[i];
            const int32_t* y = data_.labels + data_.offsets[s];
            T omega = data_.omega[s] * scale;
            if (!this->partial_[s])
                for (size_t t = 1; t < n; ++t) pairs[y[t - 1] * K + y[t]] -= omega;
            for (size_t k = 0; n && k < K; ++k) start[k] += block.D[at * width + k], end[k] += block.D[(at + n - 1) * width + k];
            long_ones += n > 1;
        }
        const size_t m = layout_.n_transitions;
        for (size_t q = 0; q < m; ++q) tail_gradient_[q] = static_cast<T>(pairs[layout_.transitions[q]]);
        for (size_t k = 0; layout_.boundaries && k < K; ++k) tail_gradient_[m + k] = static_cast<T>(start[k]), tail_gradient_[m + K + k] = static_cast<T>(end[k]);
        T share_pairs = n_long_ ? scale * static_cast<T>(long_ones) / static_cast<T>(n_long_) : T(0), share_ends = scale * static_cast<T>(size) / static_cast<T>(n_active_);
        step(tail_rule_, tail_.data(), tail_gradient_.data(), 0, m, share_pairs, lr);
        step(tail_rule_, tail_.data() + m, tail_gradient_.data() + m, m, tail_.size() - m, share_ends, lr);
        for (size_t q = 0; q < tail_.size(); ++q) W[tail(q)] = tail_[q];
        layout_.unpack(W, chain_);
    }

    // The features in the range of thread t.
    void step_features(int t, Part& part, T scale, double lr, const T* D) {
        const size_t width = chain_.width;
        auto& touched = part.touched;
        const auto& tokens = part.tokens;
        auto mine = [&](int64_t token) { return ranges_.of_row(data_.X, token, t); };
        touched.touch(data_.X, tokens.data(), tokens.size(), [&](size_t j) { return &G_[j * width]; }, mine);
        part.G.assign(touched.size * width, T(0));
        const uint32_t* local = touched.local.data();
        for (size_t i = 0; i < tokens.size(); ++i) {
            auto [begin, end] = mine(tokens[i]);
            scatter_rows(local, data_.X.data + begin, end - begin, D + i * width, width, part.G.data());
            local += end - begin;
        }
        for (size_t r = 0; r < touched.size; ++r) {
            if (r + kRowsAhead < touched.size) {
                size_t ahead = touched.columns[r + kRowsAhead] * width;
                prefetch_line_ends(&G_[ahead], width), prefetch_line_ends(state_ + ahead, width);
            }
            size_t j = touched.columns[r];
            step(rule_, state_ + j * width, &part.G[r * width], j * width, width, scale * touched.part(r), lr);
        }
    }

    // `n` weights, whose squares begin at `offset`.
    void step(AdaGrad<T> rule, T* w, const T* g, size_t offset, size_t n, T share, double lr) const {
        auto update = rule.row(0, Step<T>{static_cast<T>(lr), share * static_cast<T>(this->penalty.l1), share * static_cast<T>(this->penalty.l2), T(0)});
#pragma GCC ivdep
        for (size_t k = 0; k < n; ++k) update(w[k], g[k], offset + k);
    }

    T* state_ = nullptr;
    AdaGrad<T> rule_{}, tail_rule_{};
    std::vector<T> tail_, tail_squares_, tail_gradient_;  // transitions and boundaries
    std::vector<Part> parts_;
};
