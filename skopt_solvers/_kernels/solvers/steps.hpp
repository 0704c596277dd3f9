// The steps of a batch by a rule: of rows of several outputs, and of one output, whose touched rows are as long as a
// vector only when they lie side by side.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/objective.hpp"
#include "base/prefetch.hpp"
#include "base/row_products.hpp"
#include "base/vectors.hpp"
#include "solvers/rules.hpp"

// Learning rates and penalties of outputs that belong to several models.
template <class T>
struct OutputSteps {
    std::vector<T> lr, l1, l2, decay;
};

template <class T>
struct Rule {
    std::vector<T*> tables;    // of the state, of W's shape
    double weight_decay = -1;  // AdamW's own; < 0: the objective's L2
    virtual ~Rule() = default;
    // Tells whether the tables of its state have the shape of a table, and are all there.
    virtual bool fits(size_t n_rows, size_t n_outputs) const = 0;
    virtual void step(T* W, size_t K, const RowGradient<T>& gradient, double lr, const Penalty<T>& penalty) = 0;
    // The same for outputs of several models.
    virtual void step(T* W, size_t K, const RowGradient<T>& gradient, const OutputSteps<T>& steps) = 0;
};

constexpr size_t kBlock = 128;  // rows of one output whose weights and state are copied side by side

// Copies entries of a table side by side, and back.
template <class T>
WITHOUT_VECTORS inline void copy_in(const T* table, const int64_t* rows, size_t n, T* block) {
    for (size_t q = 0; q < n; ++q) block[q] = table[rows[q]];
}
template <class T>
WITHOUT_VECTORS inline void copy_out(T* table, const int64_t* rows, size_t n, const T* block) {
    for (size_t q = 0; q < n; ++q) table[rows[q]] = block[q];
}

template <class T, class F>
struct RuleOf : Rule<T> {
    F f;
    F block;  // the same over tables of kBlock rows, which follow each other in `copies`
    Aligned<T> copies;

    explicit RuleOf(F formula) : f(formula), block(std::move(formula)) {}

    void step(T* W, size_t K, const RowGradient<T>& gradient, double lr, const Penalty<T>& penalty) override {
        double decay = this->weight_decay < 0 ? penalty.l2 : this->weight_decay;
        const Step<T> whole{static_cast<T>(lr),
                            static_cast<T>(penalty.l1),
                            static_cast<T>(penalty.l2),
                            static_cast<T>(decay),
                            T(1),
                            penalty};
        if (K == 1) return step_one(W, gradient, whole);
        each_row(W, K, gradient, [&](size_t row, T share, const T* g, T* w) {
            // p by value: a reference would be read again after each store
            auto update = [u = update_of(row, part_of(whole, share)), p = part_of(whole, share)](T& w, T g, size_t i) {
                u(w, g, i, p);
            };
#pragma GCC ivdep
            for (size_t k = 0; k < K; ++k) update(w[k], g[k], row * K + k);
        });
    }

    void step(T* W, size_t K, const RowGradient<T>& gradient, const OutputSteps<T>& steps) override {
        if constexpr (takes_several()) {
            const T *lr = steps.lr.data(), *l1 = steps.l1.data(), *l2 = steps.l2.data(), *decay = steps.decay.data();
            if (K == 1) return step_one(W, gradient, Step<T>{lr[0], l1[0], l2[0], decay[0]});
            each_row(W, K, gradient, [&](size_t row, T share, const T* g, T* w) {
                auto update = update_of(row, Step<T>{});
#pragma GCC ivdep
                for (size_t k = 0; k < K; ++k)
                    update(w[k], g[k], row * K + k, Step<T>{lr[k], share * l1[k], share * l2[k], share * decay[k]});
            });
        } else {
            throw std::invalid_argument("this rule takes one model at a time");
        }
    }

private:
    static constexpr bool takes_several() {
        return !requires(F f, Step<T> p) { f.row(size_t(0), p); };
    }
    static constexpr bool has_rows() {
        return !takes_several() || requires(F f) { f.row(size_t(0)); };
    }

    static Step<T> part_of(const Step<T>& whole, T share) {
        return {whole.lr, share * whole.l1, share * whole.l2, share * whole.decay, share, whole.penalty};
    }

    // Moves the values of a row on, and returns what the formula needs of them.
    static auto row_of(F& f, size_t row, const Step<T>& p) {
        if constexpr (takes_several())
            return f.row(row);
        else
            return f.row(row, p);
    }

    // Returns the update of the weights of one row.
    auto update_of(size_t row, const Step<T>& p) {
        if constexpr (has_rows())
            return [u = f.formula(), own = row_of(f, row, p)](T& w, T g, size_t i, const Step<T>& p) {
                u(w, g, i, p, own);
            };
        else
            return f.formula();
    }

    // Steps the touched rows of one output, a block at a time.
    void step_one(T* W, const RowGradient<T>& gradient, const Step<T>& whole) {
        alignas(64) T w[kBlock] = {}, last_g[kBlock] = {}, last_share[kBlock] = {};
        for (size_t begin = 0; begin < gradient.size; begin += kBlock) {
            const int64_t* rows = gradient.rows.data() + begin;
            const T *g = gradient.values.data() + begin, *share = gradient.share.data() + begin;
            const size_t n = std::min(kBlock, gradient.size - begin), width = padded<T>(n);
            if (n < width) {  // whole vectors, so that none of their numbers is computed in another way
                g = std::copy_n(g, n, last_g) - n;
                share = std::copy_n(share, n, last_share) - n;
            }
            copy_in(W, rows, n, w);
            for (size_t t = 0; t < this->tables.size(); ++t)
                copy_in(this->tables[t], rows, n, copies.data() + t * kBlock);
            if constexpr (has_rows()) {
                thread_local std::vector<decltype(row_of(block, 0, whole))> own(kBlock);
                for (size_t q = 0; q < n; ++q) own[q] = row_of(block, rows[q], part_of(whole, share[q]));
                update_block(w, g, share, own.data(), width, whole);
            } else {
                update_block(w, g, share, static_cast<const T*>(nullptr), width, whole);
            }
            copy_out(W, rows, n, w);
            for (size_t t = 0; t < this->tables.size(); ++t)
                copy_out(this->tables[t], rows, n, copies.data() + t * kBlock);
        }
    }

    // A function of its own: inlined into the copies, the loop stays without vectors.
    template <class Own>
    [[gnu::noinline]] void update_block(T* __restrict w, const T* __restrict g, const T* __restrict share,
                                        const Own* __restrict own, size_t width, const Step<T>& whole) const {
        const Step<T> p = whole;
        auto update = block.formula();
#pragma GCC ivdep
        for (size_t q = 0; q < width; ++q) {
            if constexpr (has_rows())
                update(w[q], g[q], q, part_of(p, share[q]), own[q]);
            else
                update(w[q], g[q], q, part_of(p, share[q]));
        }
    }

    // Calls visit(row, share, g, w) for each touched row of several outputs.
    template <class Visit>
    void each_row(T* W, size_t K, const RowGradient<T>& gradient, Visit visit) {
        const auto& tables = this->tables;
        const T* first = tables.empty() ? nullptr : tables[0];
        for (size_t r = 0; r < gradient.size; ++r) {
            size_t row = gradient.rows[r];
            if (first && r + kAhead < gradient.size) {
                size_t ahead = gradient.rows[r + kAhead] * K;
                __builtin_prefetch(first + ahead, 1);
                for (const T* table : tables) prefetch_all(table + ahead, K);
            }
            visit(row, gradient.share[r], gradient.values.data() + r * K, W + row * K);
        }
    }
};
