// Bindings of the decoder of a fitted chain.
#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "base/bind_objective.hpp"
#include "chain/bind_sequences.hpp"
#include "chain/decoder.hpp"

// Keeps the arrays alive that the decoder reads.
template <class T, class I>
class BoundDecoder final : public ChainDecoder<T, I> {
    using Decoder = ChainDecoder<T, I>;

public:
    BoundDecoder(In<I> indptr, In<I> indices, In<T> data, size_t n_columns, In<int64_t> offsets, In<T> W, In<I> first,
                 In<int32_t> label, In<T> transitions, In<T> start, In<T> end, In<int32_t> fixed, int n_threads,
                 In<T> vectors, size_t vector_size, In<int32_t> slot, In<int64_t> first_triple, In<int32_t> pair,
                 In<T> triples)
        : Decoder(csr(indptr, indices, data, n_columns),
                  dense_block(vectors, vector_size, indptr.size() - 1, n_columns), offsets.data(),
                  sequences_of(offsets, indptr),
                  layout_of(n_columns + vector_size, start.size(), W, first, label,
                            triples_of(slot, first_triple, pair, n_columns, start.size())),
                  W.data(), chain_of(transitions, start, end, triples),
                  labels_of(fixed, indptr.size() - 1, start.size()), n_threads),
          kept_(indptr, indices, data, offsets, W, first, label, fixed, vectors, slot, first_triple, pair, triples) {
        require(triples.size() == pair.size(), "triples must have a weight for each pair");
        check_pairs_of(indptr, indices, first, label, n_columns, start.size());
    }

    // Returns whether each sequence has a path.
    bool viterbi(Out<int32_t> path) const {
        require(path.size() == this->n_tokens(), "path has the wrong size");
        nb::gil_scoped_release release;
        Decoder::viterbi(path.data());
        return between(path, 0, this->n_labels());
    }

    void marginals(Out<T> P) const {
        require(P.size() == this->n_tokens() * this->n_labels(), "P has the wrong size");
        nb::gil_scoped_release release;
        Decoder::marginals(P.data());
    }

    void log_likelihood(In<int32_t> labels, Out<double> out) const {
        require(labels.size() == this->n_tokens() && out.size() == this->n_sequences(),
                "labels or out has the wrong size");
        require(between(labels, kAnyLabel, this->n_labels()), "labels must be from -1 to n_labels - 1");
        nb::gil_scoped_release release;
        Decoder::log_likelihood(labels.data(), out.data());
    }

    void best_paths(size_t most, Out<int32_t> paths, Out<double> out, Out<int64_t> counts) const {
        const size_t n_tokens = this->n_tokens(), n_sequences = this->n_sequences();
        product(product(most, std::max(n_tokens, n_sequences)), this->n_labels());
        require(most > 0 && paths.size() == most * n_tokens && out.size() == most * n_sequences &&
                    counts.size() == n_sequences,
                "paths, out or counts has the wrong size");
        nb::gil_scoped_release release;
        Decoder::best_paths(most, paths.data(), out.data(), counts.data());
    }

    // Returns the spans of all sequences: how many each has, -1 where it has no path; begins, ends, kinds and
    // probabilities.
    nb::tuple spans(In<uint8_t> starts, In<uint8_t> continues, In<int32_t> kinds, size_t n_kinds, double least,
                    bool every) const {
        const size_t K = this->n_labels(), n_sequences = this->n_sequences();
        require(starts.size() == product(K + 1, K) && continues.size() == product(K, K) && kinds.size() == K,
                "starts, continues or kinds has the wrong size");
        require(between(kinds, -1, n_kinds), "kinds must be from -1 to n_kinds - 1");
        SpanRules rules{K, starts.data(), continues.data(), std::vector<std::vector<int32_t>>(n_kinds), kinds.data()};
        for (size_t k = 0; k < K; ++k)
            if (kinds.data()[k] >= 0) rules.labels[kinds.data()[k]].push_back(static_cast<int32_t>(k));
        for (size_t k = 0; k < K; ++k)
            for (size_t i = 0; i <= K; ++i)
                require(kinds.data()[k] >= 0 || !rules.starts[i * K + k], "a label without a kind starts a span");
        std::vector<int64_t> counts(n_sequences), begins, ends;
        std::vector<int32_t> found_kinds;
        std::vector<double> probabilities;
        {
            nb::gil_scoped_release release;
            std::vector<std::vector<Span>> found(n_sequences);
            std::vector<uint8_t> possible(n_sequences, 1);
            Decoder::spans(rules, least, every, found.data(), possible.data());
            for (size_t s = 0; s < n_sequences; ++s) {
                counts[s] = possible[s] ? static_cast<int64_t>(found[s].size()) : -1;
                for (const Span& span : found[s]) {
                    begins.push_back(span.begin);
                    ends.push_back(span.end);
                    found_kinds.push_back(span.kind);
                    probabilities.push_back(span.probability);
                }
            }
        }
        return nb::make_tuple(to_numpy(std::move(counts)), to_numpy(std::move(begins)), to_numpy(std::move(ends)),
                              to_numpy(std::move(found_kinds)), to_numpy(std::move(probabilities)));
    }

private:
    static ChainLayout<T, I> layout_of(size_t n_features, size_t K, const In<T>& W, const In<I>& first,
                                       const In<int32_t>& label, const Triples& triples) {
        require(K > 0 && W.size() == (first.size() ? label.size() : product(n_features, K)),
                "W must have a weight for each pair");
        require(!first.size() || first.size() == n_features + 1,
                "first must have one entry more than there are features");
        return {n_features, K, false, pointer_or_null(first), label.data(), nullptr, 0, nullptr, triples};
    }

    // Throws unless the pairs of all features are there, or of those that X has where these are fewer: to look at all
    // takes longer than to tag a sentence. Every token has the features from n_columns on.
    static void check_pairs_of(const In<I>& indptr, const In<I>& indices, const In<I>& first, const In<int32_t>& label,
                               size_t n_columns, size_t K) {
        if (!first.size()) return;
        const auto n_used = static_cast<size_t>(indptr.data()[indptr.size() - 1]);
        const size_t n_features = first.size() - 1;
        const auto n_pairs = static_cast<int64_t>(label.size());
        auto check = [&](size_t j) {
            const int64_t begin = first.data()[j], end = first.data()[j + 1];
            require(0 <= begin && begin <= end && end <= n_pairs, "first must be sorted, and within the pairs");
            for (int64_t q = begin; q < end; ++q)
                require(label.data()[q] >= 0 && static_cast<size_t>(label.data()[q]) < K,
                        "label must have a label for each pair");
        };
        const bool all = n_used >= first.size();
        for (size_t p = 0; p < n_used && !all; ++p) check(static_cast<size_t>(indices.data()[p]));
        for (size_t j = all ? 0 : n_columns; j < n_features; ++j) check(j);
    }

    static Transitions<T> chain_of(const In<T>& transitions, const In<T>& start, const In<T>& end,
                                   const In<T>& triples) {
        size_t K = start.size();
        require(transitions.size() == product(K, K) && end.size() == K,
                "transitions, start and end must have n_labels entries a side");
        Transitions<T> chain(K);
        chain.triples = triples.data();
        for (size_t i = 0; i < K; ++i) {
            std::copy_n(transitions.data() + i * K, K, &chain.log[i * chain.width]);
            chain.log_start[i] = start.data()[i];
            chain.log_end[i] = end.data()[i];
        }
        return chain;
    }

    static const int32_t* labels_of(const In<int32_t>& fixed, size_t n_tokens, size_t K) {
        require(fixed.size() == 0 || (fixed.size() == n_tokens && between(fixed, kAnyLabel, K)),
                "fixed must be one a token, from -1 to n_labels - 1");
        return pointer_or_null(fixed);
    }

    std::tuple<In<I>, In<I>, In<T>, In<int64_t>, In<T>, In<I>, In<int32_t>, In<int32_t>, In<T>, In<int32_t>,
               In<int64_t>, In<int32_t>, In<T>>
        kept_;
};

template <class T, class I>
static void bind(nb::module_& m, const char* name) {
    using Bound = BoundDecoder<T, I>;
    nb::class_<Bound>(m, name)
        .def(nb::init<In<I>, In<I>, In<T>, size_t, In<int64_t>, In<T>, In<I>, In<int32_t>, In<T>, In<T>, In<T>,
                      In<int32_t>, int, In<T>, size_t, In<int32_t>, In<int64_t>, In<int32_t>, In<T>>(),
             array("indptr"), array("indices"), array("data"), "n_columns"_a, array("offsets"), array("W"),
             array("first"), array("label"), array("transitions"), array("start"), array("end"), array("fixed"),
             "n_threads"_a, array("vectors"), "vector_size"_a, array("slot"), array("first_triple"), array("pair"),
             array("triples"))
        .def("viterbi", &Bound::viterbi, array("path"))
        .def("marginals", &Bound::marginals, array("P"))
        .def("log_likelihood", &Bound::log_likelihood, array("labels"), array("out"))
        .def("best_paths", &Bound::best_paths, "most"_a, array("paths"), array("out"), array("counts"))
        .def("spans", &Bound::spans, array("starts"), array("continues"), array("kinds"), "n_kinds"_a, "least"_a,
             "every"_a);
}

void bind_decoder(nb::module_& m) {
    bind<float, int32_t>(m, "DecoderF32I32");
    bind<float, int64_t>(m, "DecoderF32I64");
    bind<double, int32_t>(m, "DecoderF64I32");
    bind<double, int64_t>(m, "DecoderF64I64");
}
