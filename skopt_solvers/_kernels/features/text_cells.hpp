// Entries of a matrix of counts in the order of their columns.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

struct Cell {
    uint32_t column, document, count;
};

constexpr size_t kCells = size_t(1) << 16;  // that are sorted together: they and their copy stay in the cache

// Sort by column, which is below 2**bits: eleven bits at a time, so that the
// time does not depend on how many there are.
inline void sort_by_column(std::vector<Cell>& cells, std::vector<Cell>& scratch, int bits) {
    if (cells.size() < 256)
        return std::sort(cells.begin(), cells.end(), [](const Cell& a, const Cell& b) { return a.column < b.column; });
    scratch.resize(cells.size());
    for (int shift = 0; shift < bits; shift += 11) {
        uint32_t starts[2049] = {};
        for (const Cell& cell : cells) ++starts[(cell.column >> shift & 2047) + 1];
        std::partial_sum(starts, starts + 2049, starts);
        for (const Cell& cell : cells) scratch[starts[cell.column >> shift & 2047]++] = cell;
        cells.swap(scratch);
    }
}
