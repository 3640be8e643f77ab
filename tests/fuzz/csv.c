/* Fuzzes csv_resume(): a metrics.csv or timing.csv that a run left behind.
 *
 * The first byte is the number of rows to keep (signed; -1: all), the rest is the file. What is
 * left must be the beginning of the file, whole rows, as many as were asked for; a refused file
 * must be as it was. */
#include "core/base/csv.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <string.h>

static const char *const columns[] = {"update", "reward"};
static const char header[] = "update,reward\n";

static int64_t rows_to_keep(const unsigned char *bytes, size_t n)
{
    const int64_t keep = n > 0 ? (int64_t)(signed char)bytes[0] : 0;
    return keep < CSV_KEEP_ALL ? -keep : keep;
}

static enum err resume(int64_t keep, struct arena *arena, bool append)
{
    struct csv csv;
    enum err e = csv_resume(&csv, arena, fuzz_source(), columns, 2, keep);
    if (e == ERR_OK) {
        if (append) {
            csv_int(&csv, keep + 1);
            csv_text(&csv, "a \"quoted\"\ncell");
            e = csv_end_row(&csv);
        }
        csv_close(&csv);
    }
    return e;
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    fuzz_to_file(bytes + (n > 0), n - (n > 0));
    return resume(rows_to_keep(bytes, n), scratch, false);
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    const int64_t keep = rows_to_keep(bytes, n);
    const unsigned char *file = bytes + (n > 0);
    struct arena arena;
    struct buf left, again;
    buf_init(&left);
    buf_init(&again);
    arena_init(&arena);
    fuzz_from_file(&left);
    CHECK(left.len <= n && (left.len == 0 || memcmp(left.data, file, left.len) == 0));
    if (e != ERR_OK) {
        CHECK(left.len == n - (n > 0));
    } else {
        CHECK(left.len >= strlen(header) && memcmp(left.data, header, strlen(header)) == 0);
        CHECK(left.data[left.len - 1] == '\n');
        CHECK(resume(keep, &arena, false) == ERR_OK);
        fuzz_from_file(&again);
        CHECK(again.len == left.len);
        CHECK(resume(keep, &arena, true) == ERR_OK);
        CHECK(resume(keep == CSV_KEEP_ALL ? keep : keep + 1, &arena, false) == ERR_OK);
        again.len = 0;
        fuzz_from_file(&again);
        CHECK(again.len > left.len && memcmp(again.data, left.data, left.len) == 0);
    }
    arena_release(&arena);
    buf_release(&again);
    buf_release(&left);
}

static void seeds(void)
{
    static const char *const files[] = {"\002update,reward\n1,0.5\n2,0.25\n3,0.125\n",
                                        "\377update,reward\n1,0.5\n2,0.",
                                        "\001update,reward\n1,\"a \"\"b\"\"\nc\"\n2,0\n",
                                        "\001update,reward\n1,\"open\n",
                                        "\003update,reward\n1,2\n",
                                        "\001update,reward",
                                        "\001other,columns\n1,2\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fuzz_seed(files[i], strlen(files[i]));
    }
}

/* The file (first 64 KiB, then doubling), the header, an arena with the path. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 256 * 1024, .each = 8, .read = read, .check = check, .seeds = seeds};
