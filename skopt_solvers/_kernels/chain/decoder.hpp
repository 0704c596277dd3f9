// The decoder of a fitted chain computes best paths, marginals and likelihoods of new sequences.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/csr.hpp"
#include "base/parallel.hpp"
#include "chain/conditions.hpp"
#include "chain/dense_block.hpp"
#include "chain/lattice.hpp"
#include "chain/parameter_layout.hpp"
#include "chain/spans.hpp"

template <class T, class I>
class ChainDecoder {
public:
    // W has the weights of the features, those of V being the last, in `layout`, and log, log_start, log_end and the
    // weights of triples of `chain` are set. `fixed` are labels that tokens must have, or kAnyLabel, and null where
    // there are none.
    ChainDecoder(Csr<T, I> X, DenseBlock<T> V, const int64_t* offsets, size_t n_sequences, ChainLayout<T, I> layout,
                 const T* W, Transitions<T> chain, const int32_t* fixed, int n_threads)
        : X_(X), V_(V), offsets_(offsets), n_sequences_(n_sequences), layout_(layout), W_(W), chain_(std::move(chain)),
          fixed_(fixed), n_threads_(n_threads),
          conditions_(X, offsets, n_sequences, layout.triples, chain_.K, chain_.width) {
        chain_.exponentiate();
        dense_W_.resize(V.n_columns * chain_.width);
        for (size_t j = 0; j < V.n_columns; ++j)
            layout_.expand_padded(W, V.first + j, dense_W_.data() + j * chain_.width);
    }

    size_t n_labels() const { return chain_.K; }
    size_t n_sequences() const { return n_sequences_; }
    size_t n_tokens() const { return offsets_[n_sequences_]; }

    // Computes the best path of each sequence (Viterbi 1967). It is kAnyLabel where none is allowed.
    void viterbi(int32_t* path) const {
        each([&](size_t s, T* z, size_t n, Worker& worker) {
            viterbi_of(z, n, fixed_of(s), worker, path + offsets_[s]);
        });
    }

    // Computes P (n_tokens x K), the probability of each label. It is NaN where no path is allowed.
    void marginals(T* P) const {
        const size_t K = chain_.K, width = chain_.width;
        each([&](size_t s, T* z, size_t n, Worker& worker) {
            double log_z = worker.lattice.forward(z, n, chain_, fixed_of(s), worker.steps);
            if (worker.delta.size() < n * width) worker.delta.resize(n * width);
            worker.lattice.backward(T(1), worker.delta.data(), nullptr);
            for (size_t t = 0; t < n; ++t)
                for (size_t k = 0; k < K; ++k)
                    P[(offsets_[s] + t) * K + k] =
                        std::isfinite(log_z) ? worker.delta[t * width + k] : std::numeric_limits<T>::quiet_NaN();
        });
    }

    // Computes log p(labels | x) of each sequence, summed over the labels that are missing. It is -inf where a label is
    // forbidden.
    void log_likelihood(const int32_t* labels, double* out) const {
        each([&](size_t s, T* z, size_t n, Worker& worker) {
            const int32_t* y = labels + offsets_[s];
            double log_z = worker.lattice.forward(z, n, chain_, nullptr, worker.steps);
            bool complete = std::find(y, y + n, kAnyLabel) == y + n;
            double score = complete ? path_score(z, y, n, chain_, worker.steps)
                                    : worker.lattice.forward(z, n, chain_, y, worker.steps);
            out[s] = score - log_z;
        });
    }

    // Computes the `most` best paths of each sequence, best first (list Viterbi; Seshadri & Sundberg 1994). Path r of
    // sequence s is at paths + most * offsets[s] + r * n, its log-probability is out[s * most + r], and counts[s] says
    // how many there are.
    void best_paths(size_t most, int32_t* paths, double* out, int64_t* counts) const {
        for (size_t s = 0; s < n_sequences_; ++s) counts[s] = 0;
        each([&](size_t s, T* z, size_t n, Worker& worker) {
            double log_z = worker.lattice.forward(z, n, chain_, fixed_of(s), worker.steps);
            counts[s] =
                best_paths_of(z, n, fixed_of(s), worker.steps, most, paths + most * offsets_[s], out + s * most);
            for (int64_t r = 0; r < counts[s]; ++r) out[s * most + r] -= log_z;
        });
    }

    // Finds the spans of each sequence: those of its best path, or where `every` is set all others too, if they have at
    // least such a probability. possible[s] is 0 for a sequence that has no path.
    void spans(const SpanRules& rules, double least, bool every, std::vector<Span>* found, uint8_t* possible) const {
        const SpanSteps steps(chain_);
        each([&](size_t s, T* z, size_t n, Worker& worker) {
            auto keep = [&](const Span& span) {
                if (span.probability >= least) found[s].push_back(span);
            };
            if (!every) {
                worker.path.resize(n);
                viterbi_of(z, n, fixed_of(s), worker, worker.path.data());
                possible[s] = worker.path[0] != kAnyLabel;
                if (!possible[s] || !has_span(rules, worker.path)) return;
            }
            if (!worker.spans.read(steps, chain_, z, n, fixed_of(s), worker.steps)) return void(possible[s] = 0);
            if (every) return worker.spans.each_likely(rules, least, keep);
            const int32_t* y = worker.path.data();
            for (size_t t = 0, end; t < n; t = end) {
                end = t + 1;
                if (!rules.start(y, t)) continue;
                while (end < n && rules.go_on(y[end - 1], y[end])) ++end;
                int32_t kind = rules.kinds[y[t]];
                keep({int64_t(t), int64_t(end), kind, worker.spans.probability(rules, t, end, kind)});
            }
        });
    }

private:
    static constexpr T kNever = -std::numeric_limits<T>::infinity();

    struct Worker {
        Lattice<T> lattice;
        Aligned<T> z, delta;
        SpanLattice spans;
        std::vector<int32_t> path;
        PairScoresCache<T> cache;
        const PairScores<T>* steps = nullptr;  // of the sequence at hand
    };

    static bool has_span(const SpanRules& rules, const std::vector<int32_t>& path) {
        return std::any_of(path.begin(), path.end(), [&](int32_t k) { return rules.kinds[k] >= 0; });
    }

    const T* log_at(const PairScores<T>* steps, size_t t) const { return steps ? steps[t].log : chain_.log.data(); }

    const int32_t* fixed_of(size_t s) const { return fixed_ ? fixed_ + offsets_[s] : nullptr; }

    // Calls f(s, z, n, worker) for each sequence that has tokens, z being its scores.
    template <class F>
    void each(F f) const {
        const size_t width = chain_.width;
        int n_threads =
            threads_for(n_threads_, static_cast<double>(n_tokens()) * chain_.K * (chain_.K + 10 + V_.n_columns));
        auto first_of = [&](int t) -> size_t {
            if (t == 0) return 0;
            if (t == n_threads) return n_sequences_;
            const auto token = static_cast<int64_t>(n_tokens() / n_threads * t);
            return std::lower_bound(offsets_, offsets_ + n_sequences_, token) - offsets_;
        };
        parallel(n_threads, [&](int t) {
            Worker worker;
            for (size_t s = first_of(t); s < first_of(t + 1); ++s) {
                size_t n = offsets_[s + 1] - offsets_[s];
                if (!n) continue;
                if (worker.z.size() < n * width) worker.z.resize(n * width);
                std::fill(worker.z.begin(), worker.z.begin() + n * width, T(0));
                for (size_t i = 0; i < n; ++i) {
                    size_t row = offsets_[s] + i, first = X_.indptr[row];
                    if (i + 1 < n)
                        for (size_t p = X_.indptr[row + 1]; p < static_cast<size_t>(X_.indptr[row + 2]); ++p)
                            __builtin_prefetch(layout_.weights_of(W_, X_.indices[p]));
                    layout_.gather(X_.indices + first, X_.data + first, X_.indptr[row + 1] - first, W_,
                                   &worker.z[i * width]);
                }
                add_dense_scores(V_, offsets_[s], offsets_[s + 1], dense_W_.data(), width, worker.z.data());
                worker.steps = worker.cache.of(conditions_, chain_, offsets_[s], n);
                f(s, worker.z.data(), n, worker);
            }
        });
    }

    // Computes delta_t[j] = max_i (delta_{t-1}[i] + log[i, j]) + z_t[j], less the largest of the step before, which
    // keeps its range. Only the values are kept: the predecessor of the one label that the path has is found on the way
    // back.
    void viterbi_of(const T* z, size_t n, const int32_t* fixed, Worker& worker, int32_t* path) const {
        const size_t K = chain_.K, width = chain_.width;
        Aligned<T>& delta = worker.delta;
        if (delta.size() < n * width) delta.resize(n * width);
        T top = 0;
        for (size_t t = 0; t < n; ++t) {
            T* d = &delta[t * width];
            const T* scores = z + t * width;
            if (t) {
                in_tiles(width / kLanes<T>, [&]<int N>(size_t v) {
                    max_plus<N>(d - width, log_at(worker.steps, t) + v * kLanes<T>, K, width, d + v * kLanes<T>);
                });
            } else {
                std::copy(chain_.log_start.begin(), chain_.log_start.end(), d);
            }
            for (size_t k = 0; k < width; ++k) d[k] += scores[k] - top;
            if (fixed && fixed[t] != kAnyLabel)
                for (size_t k = 0; k < K; ++k) d[k] = static_cast<int32_t>(k) == fixed[t] ? d[k] : kNever;
            std::fill(d + K, d + width, kNever);
            top = largest_of(d, width);
            if (!(top > kNever)) top = 0;
        }
        T best = kNever;
        size_t label = 0;
        for (size_t k = 0; k < K; ++k) {
            T value = delta[(n - 1) * width + k] + chain_.log_end[k];
            if (value > best) best = value, label = k;
        }
        if (!(best > kNever)) return std::fill(path, path + n, kAnyLabel);
        for (size_t t = n; t-- > 0;) {
            path[t] = static_cast<int32_t>(label);
            if (!t) break;
            const T* before = &delta[(t - 1) * width];
            size_t from = 0;
            best = kNever;
            for (size_t i = 0; i < K; ++i) {
                T value = before[i] + log_at(worker.steps, t)[i * width + label];
                if (value > best) best = value, from = i;
            }
            label = from;
        }
    }

    template <int N>
    static void max_plus(const T* a, const T* M, size_t K, size_t width, T* out) {
        constexpr int ways = N <= 2 ? 4 : N <= 4 ? 2 : 1;  // maxima that do not wait for each other
        Vec<T> best[ways][N];
        UNROLLED_FOR (int w = 0; w < ways; ++w)
            UNROLLED_FOR (int v = 0; v < N; ++v) best[w][v] = Vec<T>{} + kNever;
        size_t i = 0;
        for (; i + ways <= K; i += ways)
            UNROLLED_FOR (int w = 0; w < ways; ++w)
                UNROLLED_FOR (int v = 0; v < N; ++v)
                    raise<T>(best[w][v], a[i + w] + at(M + (i + w) * width + v * kLanes<T>));
        for (; i < K; ++i)
            UNROLLED_FOR (int v = 0; v < N; ++v) raise<T>(best[0][v], a[i] + at(M + i * width + v * kLanes<T>));
        UNROLLED_FOR (int v = 0; v < N; ++v) {
            UNROLLED_FOR (int w = 1; w < ways; ++w) raise<T>(best[0][v], best[w][v]);
            at(out + v * kLanes<T>) = best[0][v];
        }
    }

    // Writes the scores of the paths to `out`, and returns how many there are.
    size_t best_paths_of(const T* z, size_t n, const int32_t* fixed, const PairScores<T>* steps, size_t most,
                         int32_t* paths, double* out) const {
        struct Entry {
            double score;
            size_t before;  // place of the predecessor among the K * most of the step before
        };
        const size_t K = chain_.K, width = chain_.width, wide = K * most;
        const Entry none{-std::numeric_limits<double>::infinity(), 0};
        const auto better = [](const Entry& a, const Entry& b) {
            return a.score > b.score || (a.score == b.score && a.before < b.before);
        };
        std::vector<Entry> table(n * wide, none), candidates;
        for (size_t t = 0; t < n; ++t)
            for (size_t j = 0; j < K; ++j) {
                if (fixed && fixed[t] != kAnyLabel && fixed[t] != static_cast<int32_t>(j)) continue;
                double emission = z[t * width + j];
                Entry* entry = &table[t * wide + j * most];
                if (!t) {
                    entry[0] = {emission + chain_.log_start[j], 0};
                    continue;
                }
                candidates.clear();
                for (size_t p = 0; p < wide; ++p) {
                    double score = table[(t - 1) * wide + p].score + log_at(steps, t)[p / most * width + j];
                    if (score > none.score) candidates.push_back({score + emission, p});
                }
                size_t kept = std::min(most, candidates.size());
                std::partial_sort(candidates.begin(), candidates.begin() + kept, candidates.end(), better);
                std::copy(candidates.begin(), candidates.begin() + kept, entry);
            }
        candidates.clear();
        for (size_t p = 0; p < wide; ++p) {
            double score = table[(n - 1) * wide + p].score + chain_.log_end[p / most];
            if (score > none.score) candidates.push_back({score, p});
        }
        size_t kept = std::min(most, candidates.size());
        std::partial_sort(candidates.begin(), candidates.begin() + kept, candidates.end(), better);
        for (size_t r = 0; r < kept; ++r) {
            out[r] = candidates[r].score;
            size_t place = candidates[r].before;
            for (size_t t = n; t-- > 0; place = table[t * wide + place].before) {
                paths[r * n + t] = static_cast<int32_t>(place / most);
                if (!t) break;
            }
        }
        return kept;
    }

    Csr<T, I> X_;
    DenseBlock<T> V_;
    Aligned<T> dense_W_;  // the weights of V as rows of whole vectors
    const int64_t* offsets_;
    size_t n_sequences_;
    ChainLayout<T, I> layout_;
    const T* W_;
    Transitions<T> chain_;
    const int32_t* fixed_;
    int n_threads_;
    Conditions<T> conditions_;
};
