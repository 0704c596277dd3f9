// One pass over all sequences: their loss, and its gradient.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

#include "base/column_ranges.hpp"
#include "base/csr.hpp"
#include "base/interrupt.hpp"
#include "base/parallel.hpp"
#include "chain/dense_block.hpp"
#include "chain/likelihood.hpp"
#include "chain/lockstep.hpp"
#include "chain/parameter_layout.hpp"
#include "chain/scores.hpp"
#include "chain/sequences.hpp"

// Is what the threads of a pass share. Sequences are taken by blocks of units: threads share the units of a block, and
// when its marginals are there each adds them to its own range of features. Sums are formed in an order that does not
// depend on the threads.
template <class T, class I>
class ChainPass {
public:
    using Likelihood = ChainLikelihood<T, I>;
    using Worker = typename Likelihood::Worker;
    using Block = typename Likelihood::Block;

    // Says where the sequences are: sequence i of the order begins at row first[i] of X.
    struct Sequences {
        Csr<T, I> X;
        const size_t* first;
        const PassOrder& order;
        const ColumnRanges& ranges;
    };

    // Weights and gradient, the latter null where it is not asked for, and both as rows of whole vectors.
    struct Tables {
        const T* W;
        T* G;
        T *padded_W, *padded_G;  // null where W and G are such rows
        double* groups;          // matrices of patterns that rows of pairs are added to, null for none
    };

    ChainPass(const Likelihood& likelihood, const Sequences& sequences, const Tables& tables)
        : tail(tables.G ? likelihood.K() : 0, tables.G ? likelihood.layout.triples.n : 0), likelihood_(likelihood),
          sequences_(sequences), order_(sequences.order), tables_(tables),
          state_(tables.padded_W ? tables.padded_W : tables.W), gradient_(tables.padded_W ? tables.padded_G : tables.G),
          width_(likelihood.width()),
          blocks_(2, Block(order_.block_tokens, width_, tables.G ? likelihood.K() * width_ : 0,
                           likelihood.conditions.any())),
          barrier_(sequences.ranges.n) {
        if (tables.groups)
            for (Block& block : blocks_) block.group(width_);
    }

    TailGradient tail;  // less the pairs of the labels
    double loss = 0;

    void run() {
        parallel(sequences_.ranges.n, [&](int t) { run_part(t); }, &barrier_);
        interruption_.rethrow();
    }

private:
    const ChainData<T, I>& data() const { return likelihood_.data; }
    const ChainLayout<T>& layout() const { return likelihood_.layout; }
    size_t length(size_t i) const { return data().length(order_.sequences[i]); }

    // Runs the part of thread t.
    void run_part(int t) {
        Worker worker;
        auto each_of_mine = [&](auto f) { each_feature(sequences_.ranges, data().V, t, f); };
        if (tables_.padded_W) {
            each_of_mine([&](size_t j) { layout().expand_padded(tables_.W, j, tables_.padded_W + j * width_); });
            barrier_.wait();
        }
        if (tables_.G) each_of_mine([&](size_t j) { std::fill_n(gradient_ + j * width_, width_, T(0)); });
        for (size_t b = 0; b < order_.n_blocks(); ++b) {
            Block& block = blocks_[b % 2];
            size_t unit;
            while ((unit = next_.load()) < order_.last_of(b))
                if (next_.compare_exchange_weak(unit, unit + 1)) run_unit(unit, b, block, worker);
            if (t == 0) stops_[b % 2] = interruption_.stops(0);
            barrier_.wait();
            if (stops_[b % 2]) return;
            if (tables_.G) scatter_block(b, t, block);
            if (t == 0) add_block(b, block);
        }
        if (tables_.G && tables_.padded_W)
            each_of_mine(
                [&](size_t j) { layout().compress(gradient_ + j * width_, j, layout().weights_of(tables_.G, j)); });
    }

    // Computes the loss and the marginals of a unit. Sequences go side by side where they may and there is a kernel for
    // the width.
    void run_unit(size_t unit, size_t b, Block& block, Worker& worker) const {
        const size_t u = unit - order_.first_of(b), begin = order_.units[unit], end = order_.units[unit + 1];
        size_t token = 0;
        for (size_t i = order_.units[order_.first_of(b)]; i < begin; ++i) token += length(i);
        block.clear(u);
        worker.lattice.direct.clear();
        T* D = &block.D[token * width_];
        bool abreast =
            with_width(width_ / kLanes<T>, [&]<int N>() { run_abreast<N>(begin, end, D, u, block, worker); });
        for (size_t i = begin; i < end; D += length(i++) * width_)
            if (!abreast || !likelihood_.side_by_side[order_.sequences[i]]) run_single(i, D, u, block, worker);
        block.direct[u] = worker.lattice.direct;
    }

    void run_single(size_t i, T* D, size_t u, Block& block, Worker& worker) const {
        const size_t s = order_.sequences[i];
        likelihood_.gather_sequence(sequences_.X, sequences_.first[i], s, state_, worker);
        uint8_t* by_rows = tables_.groups ? &block.by_rows[(D - block.D.data()) / width_] : nullptr;
        const typename Likelihood::Target target{
            tables_.G ? D : nullptr, block.A[u].data(), block.pairs_of(D, width_), nullptr, block.rows_of(D), by_rows};
        block.loss[u] += likelihood_.run_sequence(s, worker.z.data(), data().omega[s], target, worker);
    }

    template <int N>
    void run_abreast(size_t begin, size_t end, T* D, size_t u, Block& block, Worker& worker) const {
        constexpr size_t side = Lockstep<T>::abreast(N);
        typename Lockstep<T>::Sequence group[side];
        size_t places[side];
        size_t count = 0;
        for (size_t i = begin; i < end; ++i) {
            const size_t s = order_.sequences[i], n = length(i);
            if (likelihood_.side_by_side[s]) {
                likelihood_.gather_tokens(sequences_.X, sequences_.first[i], s, state_, D);
                group[count] = {data().labels_of(s), n, D, data().omega[s]};
                places[count++] = i;
            }
            D += n * width_;
            if (count < side && i + 1 < end) continue;
            worker.lockstep.template run<N>(likelihood_.transitions, group, count,
                                            tables_.G ? block.A[u].data() : nullptr);
            for (size_t q = 0; q < count; ++q) {
                if (group[q].exact)
                    block.loss[u] += group[q].loss;
                else
                    run_single(places[q], group[q].D, u, block, worker);
            }
            count = 0;
        }
    }

    // Adds the part of a block's gradient that lies in the columns of thread t.
    void scatter_block(size_t b, int t, Block& block) {
        const T* d = block.D.data();
        const DenseBlock<T>& V = data().V;
        const size_t first = dense_part(V, t, sequences_.ranges.n), last = dense_part(V, t + 1, sequences_.ranges.n);
        T* dense = gradient_ + (V.first + first) * width_;
        for (size_t i = order_.units[order_.first_of(b)]; i < order_.units[order_.last_of(b)]; ++i) {
            const size_t begin = sequences_.first[i], end = begin + length(i);
            scatter_scores(sequences_.X, sequences_.ranges, t, begin, end, d, width_, gradient_);
            const int64_t* offset = data().offsets + order_.sequences[i];
            add_dense_gradient(V, first, last, offset[0], offset[1], d, width_, dense);
            scatter_pairs(order_.sequences[i], t, d, block);
            d += (end - begin) * width_;
        }
    }

    // Adds what the pairs of a sequence say of transitions that depend on features.
    void scatter_pairs(size_t s, int t, const T* d, Block& block) {
        if (!likelihood_.conditions.any() || likelihood_.side_by_side[s]) return;
        if (tables_.groups && block.by_rows[(d - block.D.data()) / width_])
            likelihood_.add_rows(s, block.rows_of(d), t, sequences_.ranges.n, tables_.groups);
        else
            likelihood_.add_triples(s, block.pairs_of(d, width_), t, sequences_.ranges.n, tail.triples);
    }

    void add_block(size_t b, const Block& block) {
        const size_t n_units = order_.last_of(b) - order_.first_of(b);
        for (size_t u = 0; u < n_units; ++u) loss += block.loss[u];
        if (!tables_.G) return;
        for (size_t u = 0; u < n_units; ++u) likelihood_.finish_pairs(block.A[u].data(), block.direct[u], tail.pairs);
        const T* first = block.D.data();
        for (size_t i = order_.units[order_.first_of(b)]; i < order_.units[order_.last_of(b)]; ++i) {
            tail.add_ends(first, first + (length(i) - 1) * width_);
            first += length(i) * width_;
        }
    }

    const Likelihood& likelihood_;
    const Sequences sequences_;
    const PassOrder& order_;
    const Tables tables_;
    const T* state_;
    T* gradient_;
    const size_t width_;
    std::vector<Block> blocks_;
    SpinBarrier barrier_;
    std::atomic<size_t> next_{0};
    Interruption interruption_;
    bool stops_[2] = {};  // by blocks that are even or odd: all threads leave after the same one
};
