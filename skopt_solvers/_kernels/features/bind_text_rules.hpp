// Checks of what Python says of an analysis of texts.
#pragma once
#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bind_arrays.hpp"
#include "features/bind_text_documents.hpp"
#include "features/text_word_ngrams.hpp"

// Throws unless low <= value <= high.
template <class N>
void require_within(const char* name, N value, int64_t low, int64_t high) {
    if (std::cmp_greater_equal(value, low) && std::cmp_less_equal(value, high)) return;
    throw std::invalid_argument(std::string(name) + " must be from " + std::to_string(low) + " to " +
                                std::to_string(high) + ", got " + std::to_string(value));
}

inline void require_threads(int n_threads) { require_within("n_threads", n_threads, 1, INT32_MAX); }

// What is fixed for all documents.
struct BoundRules {
    AnalyzerRules rules;
    std::shared_ptr<Characters> characters, as_is;

    BoundRules(int units, size_t low, size_t high, std::tuple<size_t, bool, bool> token, bool lower,
               std::shared_ptr<Characters> characters, std::shared_ptr<Characters> as_is,
               const std::optional<std::vector<nb::str>>& stop_words, bool seeks_surrogates)
        : characters(std::move(characters)), as_is(std::move(as_is)) {
        require_within("units", units, 0, 3);
        require_within("high", high, 1, INT32_MAX);
        require_within("low", low, 1, static_cast<int64_t>(high));
        require_within("the least length of a token", std::get<0>(token), 0, INT32_MAX);
        rules.units = static_cast<Units>(units);
        rules.range = {low, high};
        rules.token = {std::max<size_t>(std::get<0>(token), 1), std::get<1>(token), std::get<2>(token)};
        rules.lower = lower;
        rules.characters = this->characters->table();
        rules.as_is = this->as_is->table();
        rules.seeks_surrogates = seeks_surrogates;
        if (!stop_words) return;
        auto table = std::make_shared<StringTerms>();
        std::vector<uint8_t> text;
        for (const nb::str& word : *stop_words) {
            size_t n = encode(word.ptr(), text);
            table->intern(text.data(), n);
        }
        rules.stop_words = std::move(table);
    }
};

// N-grams of tokens are made by one kind of tables alone.
template <class Terms>
void require_units(const AnalyzerRules& rules) {
    bool words = rules.units == Units::kWords;
    if constexpr (std::is_same_v<Terms, WordNgrams>)
        require(words, "rules for tables of words must have units 0, got others");
    else
        require(!words, "rules for tables of strings must have units 1 to 3, got 0");
}
