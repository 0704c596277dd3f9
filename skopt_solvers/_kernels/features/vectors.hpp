// Vectors of tokens: features that lie in an array beside the CSR rows, one block of columns for each key.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// Keeps the vectors of a key, a row a token. Tokens without one have zeros.
template <class T>
struct KeyVectors {
    std::string key;
    size_t size;
    std::vector<T> rows;

    // Returns the row of a token; no token after it has been asked for.
    T* row(size_t token) {
        rows.resize((token + 1) * size);
        return rows.data() + token * size;
    }
};

// Keeps the vectors of some keys, in the order in which they are first met, or of those that are known beforehand.
template <class T>
struct TokenVectors {
    std::vector<KeyVectors<T>> keys;
    bool learns;  // whether other keys become new ones

    // Returns where the vectors of a key are kept; nothing where they are not.
    KeyVectors<T>* of(std::string_view key, size_t size) {
        for (KeyVectors<T>& known : keys)
            if (known.key == key) return &known;
        if (learns) return &keys.emplace_back(KeyVectors<T>{std::string(key), size, {}});
        return nullptr;
    }

    // Gives all keys a row for each of n tokens.
    void finish(size_t n) {
        for (KeyVectors<T>& known : keys) known.rows.resize(n * known.size);
    }
};
