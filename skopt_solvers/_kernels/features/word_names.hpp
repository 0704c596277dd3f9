// Names the features that depend on one word alone, for words of ASCII.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "features/names.hpp"

// Gives the names that `WordNames` in _token_columns.py gives, in its order.
class WordNames {
public:
    WordNames(bool lowercase, bool itself, bool flags, bool shape, const std::vector<int64_t>& prefixes,
              const std::vector<int64_t>& suffixes)
        : lowercase_(lowercase), itself_(itself), flags_(flags), shape_(shape), prefixes_(labelled("prefix", prefixes)),
          suffixes_(labelled("suffix", suffixes)) {}

    void add(std::string_view word, Names& names) {
        spelt_.assign(word);
        if (lowercase_)
            for (char& c : spelt_) c = is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
        const std::string_view spelt = spelt_;
        if (itself_) put(names, "=", spelt);
        if (flags_) add_flags(word, names);
        for (const auto& [n, label] : prefixes_)
            if (spelt.size() >= n) put(names, label, spelt.substr(0, n));
        for (const auto& [n, label] : suffixes_)
            if (spelt.size() >= n) put(names, label, spelt.substr(spelt.size() - n));
        if (shape_) add_shape(word, names);
    }

private:
    using Labels = std::vector<std::pair<size_t, std::string>>;
    bool lowercase_, itself_, flags_, shape_;
    Labels prefixes_, suffixes_;
    std::string spelt_;

    static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
    static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
    static bool is_digit(char c) { return c >= '0' && c <= '9'; }

    static Labels labelled(const std::string& kind, const std::vector<int64_t>& sizes) {
        Labels labels;
        for (int64_t n : sizes) labels.emplace_back(static_cast<size_t>(n), ":" + kind + std::to_string(n) + "=");
        return labels;
    }

    static void put(Names& names, std::string_view label, std::string_view value) {
        names.append(label.data(), label.size());
        names.append(value.data(), value.size());
        names.close();
    }

    static void add_flags(std::string_view word, Names& names) {
        bool upper = false, lower = false, digit = false, other = false, hyphen = false, title = true;
        bool after_letter = false;
        for (char c : word) {
            const bool u = is_upper(c), l = is_lower(c), d = is_digit(c);
            title &= !(u && after_letter) && !(l && !after_letter);
            after_letter = u || l;
            upper |= u, lower |= l, digit |= d, other |= !d, hyphen |= c == '-';
        }
        if (upper && !lower) names.add(":isupper");
        if (title && (upper || lower)) names.add(":istitle");
        if (digit && !other) names.add(":isdigit");
        if (digit) names.add(":hasdigit");
        if (hyphen) names.add(":hashyphen");
    }

    static void add_shape(std::string_view word, Names& names) {
        names.append(":shape=", 7);
        char before = 0;
        for (size_t i = 0; i < word.size(); ++i) {
            const char c = word[i], kind = is_upper(c) ? 'X' : is_lower(c) ? 'x' : is_digit(c) ? 'd' : c;
            if (!i || kind != before) names.append(&kind, 1);
            before = kind;
        }
        names.close();
    }
};
