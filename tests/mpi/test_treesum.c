/* The tree sum over ranks: the bits of the recursion for any number of ranks and any owner table.
 * RUN: np=1,2,3,4,7,8
 */
#include "tests/mpi/ranks.h"
#include "tests/treesum_ref.h"

#include "mpi/comm/owners.h"

enum table { CONTIGUOUS, INTERLEAVED, BACKWARDS, SHUFFLED, WITHOUT_RANK_0, LAST_ONLY, N_TABLES };

static void fill_table(int *owner, enum table kind, int n_tiles, int size)
{
    int last = size - 1;
    for (int tile = 0; tile < n_tiles; tile++) {
        int run = (int)((int64_t)tile * size / n_tiles);
        struct rng_key key = rng_key((uint64_t)n_tiles, RNG_TEST, RNG_TRAIN);
        uint32_t any = rng_philox(key, (uint32_t)tile, 0, 0, 0).v[0];
        switch (kind) {
        case INTERLEAVED:
            owner[tile] = tile % size;
            break;
        case BACKWARDS:
            owner[tile] = last - run;
            break;
        case SHUFFLED:
            owner[tile] = (int)rng_below(any, (uint32_t)size);
            break;
        case WITHOUT_RANK_0:
            owner[tile] = run < last ? run + 1 : last;
            break;
        case LAST_ONLY:
            owner[tile] = last;
            break;
        default:
            owner[tile] = run;
        }
    }
}

/* Both sums over one table, twice; ranks without a tile stay out of it. */
static void check_sums(struct ranks *r, int n_tiles, const int *owner)
{
    size_t dim = REF_DIM;
    int n_merges = 0, rank = r->c.rank, size = r->c.size;
    struct tree_op add = {REF_DIM * sizeof(float), tree_add_f32, &dim, NULL};
    struct tree_op join = {sizeof(uint64_t), ref_merge_shape, &n_merges, NULL};
    struct treesum *floats, *shape;
    struct arena arena;
    arena_init(&arena);
    EXPECT(r, treesum_init(&floats, &arena, &add, n_tiles, owner, rank, size) == ERR_OK);
    EXPECT(r, treesum_init(&shape, &arena, &join, n_tiles, owner, rank, size) == ERR_OK);
    float want[REF_DIM], got[REF_DIM];
    ref_node(want, ref_root_level(n_tiles), 0, n_tiles);
    uint64_t want_shape = ref_shape(ref_root_level(n_tiles), 0, n_tiles), got_shape = 0;
    for (int again = 0; again < 2 && owners_count(owner, n_tiles, rank) > 0; again++) {
        for (int tile = 0; tile < n_tiles; tile++) {
            if (owner[tile] == rank) {
                uint64_t leaf = (uint64_t)tile + 1;
                ref_leaf(treesum_leaf(floats, tile), tile);
                treesum_leaf_done(floats, tile);
                memcpy(treesum_leaf(shape, tile), &leaf, sizeof(leaf));
                treesum_leaf_done(shape, tile);
            }
        }
        memset(got, 0xff, sizeof(got));
        EXPECT(r, treesum_total(floats, &r->c, got) == ERR_OK);
        EXPECT(r, memcmp(got, want, sizeof(want)) == 0);
        EXPECT(r, treesum_total(shape, &r->c, &got_shape) == ERR_OK);
        EXPECT(r, got_shape == want_shape);
    }
    arena_release(&arena);
}

static void test_any_table(struct ranks *r)
{
    int owner[REF_TILES_MAX];
    for (int kind = 0; kind < N_TABLES; kind++) {
        for (int n = 1; n <= REF_TILES_MAX; n += n < 40 ? 1 : 6) {
            fill_table(owner, (enum table)kind, n, r->c.size);
            check_sums(r, n, owner);
        }
    }
}

/* The sum over the tiles that are not skipped; every rank skips the same. */
static void check_skipping(struct ranks *r, int n_tiles, const int *owner, const bool *skipped)
{
    size_t dim = REF_DIM;
    struct tree_op add = {REF_DIM * sizeof(float), tree_add_f32, &dim, NULL};
    struct treesum *t;
    struct arena arena;
    arena_init(&arena);
    EXPECT(r, treesum_init(&t, &arena, &add, n_tiles, owner, r->c.rank, r->c.size) == ERR_OK);
    float want[REF_DIM], got[REF_DIM];
    EXPECT(r, ref_node_of(want, ref_root_level(n_tiles), 0, n_tiles, skipped));
    if (owners_count(owner, n_tiles, r->c.rank) > 0) {
        for (int tile = 0; tile < n_tiles; tile++) {
            if (owner[tile] == r->c.rank && skipped[tile]) {
                treesum_leaf_skip(t, tile);
            } else if (owner[tile] == r->c.rank) {
                ref_leaf(treesum_leaf(t, tile), tile);
                treesum_leaf_done(t, tile);
            }
        }
        memset(got, 0xff, sizeof(got));
        EXPECT(r, treesum_total(t, &r->c, got) == ERR_OK);
        EXPECT(r, memcmp(got, want, sizeof(want)) == 0);
    }
    arena_release(&arena);
}

/* Random leaves are skipped, from few to all but one, so that ranks have nothing to add at all. */
static void test_skipped_leaves(struct ranks *r)
{
    const struct rng_key key = rng_key(31, RNG_TEST, RNG_TRAIN);
    int owner[REF_TILES_MAX];
    bool skipped[REF_TILES_MAX];
    for (uint32_t i = 0; i < 120; i++) {
        const struct rng_block b = rng_philox(key, i, 0, 0, 0);
        const int n = 1 + (int)rng_below(b.v[0], REF_TILES_MAX);
        const uint32_t share = rng_below(b.v[1], 101);
        for (int tile = 0; tile < n; tile++) {
            skipped[tile] = rng_below(rng_philox(key, i, 1, (uint32_t)tile, 0).v[0], 100) < share;
        }
        skipped[rng_below(b.v[2], (uint32_t)n)] = false;
        fill_table(owner, (enum table)(i % N_TABLES), n, r->c.size);
        check_skipping(r, n, owner, skipped);
    }
}

/* What a rank would get that adds its own tiles first is another sum of these 10 tiles. */
static void test_can_fail(struct ranks *r)
{
    int owner[10];
    fill_table(owner, CONTIGUOUS, 10, r->c.size);
    float tree[REF_DIM], naive[REF_DIM];
    ref_node(tree, ref_root_level(10), 0, 10);
    ref_ranks_in_order(naive, owner, 10, r->c.size);
    EXPECT(r, ref_n_different(tree, naive) > REF_DIM / 3);
    ref_ranks_binomial(naive, owner, 10, 0, r->c.size);
    EXPECT(r, ref_n_different(tree, naive) > REF_DIM / 3);
    check_sums(r, 10, owner);
}

/* Leaves of n floats that repeat the reference's REF_DIM; those of skipped tiles are left out. */
static void add_large(struct treesum *t, const int *owner, int n_tiles, int rank, int n,
                      const bool *skipped)
{
    for (int tile = 0; tile < n_tiles; tile++) {
        if (owner[tile] == rank && skipped[tile]) {
            treesum_leaf_skip(t, tile);
        } else if (owner[tile] == rank) {
            float *leaf = treesum_leaf(t, tile);
            for (int k = 0; k < n; k++) {
                leaf[k] = ref_leaf_value(tile, k % REF_DIM);
            }
            treesum_leaf_done(t, tile);
        }
    }
}

static int count_wrong(const float *total, int n, int n_tiles, const bool *skipped)
{
    float want[REF_DIM];
    int n_wrong = 0;
    (void)ref_node_of(want, ref_root_level(n_tiles), 0, n_tiles, skipped);
    for (int k = 0; k < n; k++) {
        n_wrong += memcmp(&total[k], &want[k % REF_DIM], sizeof(float)) != 0;
    }
    return n_wrong;
}

/* A gradient of 0.5 MB, whole and in parts: it travels by rendezvous, in buffers that are used
 * again. How many buffers are in use at once depends on when messages leave, but never are there
 * more than one rank sends in one sum, at most 11, and the one it receives in. A buffer is
 * allocated once, so that is all 12 sums may allocate. */
static void test_gradient_size(struct ranks *r)
{
    enum { N = 131072, TILES = 10, SUMS = 12, BUFFERS = 12 };
    static const bool skipped[TILES];
    size_t dim = N;
    for (int parts = 0; parts < 2; parts++) {
        struct tree_op add = {N * sizeof(float), tree_add_f32, &dim,
                              parts ? tree_add_part_f32 : NULL};
        struct treesum *t;
        struct arena arena;
        int owner[TILES];
        arena_init(&arena);
        fill_table(owner, CONTIGUOUS, TILES, r->c.size);
        float *total = ARENA_NEW(&arena, N, float);
        EXPECT(r, treesum_init(&t, &arena, &add, TILES, owner, r->c.rank, r->c.size) == ERR_OK);
        const uint64_t before = mem_calls();
        for (int again = 0; again < SUMS; again++) {
            add_large(t, owner, TILES, r->c.rank, N, skipped);
            EXPECT(r, treesum_total(t, &r->c, total) == ERR_OK);
            EXPECT(r, comm_flush(&r->c) == ERR_OK);
        }
        EXPECT(r, mem_calls() - before <= BUFFERS);
        EXPECT(r, count_wrong(total, N, TILES, skipped) == 0);
        arena_release(&arena);
    }
}

/* Records that are cut into 1, 2, ... slices, the last one of them shorter, over any table, with
 * some leaves skipped. */
static void test_slices(struct ranks *r)
{
    enum { N_MAX = 40000 };
    const struct rng_key key = rng_key(37, RNG_TEST, RNG_TRAIN);
    int owner[REF_TILES_MAX];
    bool skipped[REF_TILES_MAX];
    for (uint32_t i = 0; i < 60; i++) {
        const struct rng_block b = rng_philox(key, i, 0, 0, 0);
        const int n_tiles = 1 + (int)rng_below(b.v[0], REF_TILES_MAX);
        size_t dim = 1 + rng_below(b.v[1], N_MAX);
        const uint32_t share = i % 2 == 0 ? 0 : rng_below(b.v[2], 101);
        for (int tile = 0; tile < n_tiles; tile++) {
            skipped[tile] = rng_below(rng_philox(key, i, 1, (uint32_t)tile, 0).v[0], 100) < share;
        }
        skipped[rng_below(b.v[3], (uint32_t)n_tiles)] = false;
        fill_table(owner, (enum table)(i % N_TABLES), n_tiles, r->c.size);
        struct tree_op add = {dim * sizeof(float), tree_add_f32, &dim, tree_add_part_f32};
        struct treesum *t;
        struct arena arena;
        arena_init(&arena);
        float *total = ARENA_NEW(&arena, dim, float);
        EXPECT(r, treesum_init(&t, &arena, &add, n_tiles, owner, r->c.rank, r->c.size) == ERR_OK);
        if (owners_count(owner, n_tiles, r->c.rank) > 0) {
            add_large(t, owner, n_tiles, r->c.rank, (int)dim, skipped);
            EXPECT(r, treesum_total(t, &r->c, total) == ERR_OK);
            EXPECT(r, count_wrong(total, (int)dim, n_tiles, skipped) == 0);
        }
        arena_release(&arena);
    }
}

/* Adds the tiles of `owner`; the records have `dim` floats on this rank. */
static enum err sum_once(struct ranks *r, const int *owner, int n_tiles, size_t dim, bool starve)
{
    struct tree_op add = {dim * sizeof(float), tree_add_f32, &dim, tree_add_part_f32};
    struct treesum *t;
    struct arena arena;
    arena_init(&arena);
    float *out = ARENA_NEW(&arena, dim, float);
    EXPECT(r, treesum_init(&t, &arena, &add, n_tiles, owner, r->c.rank, r->c.size) == ERR_OK);
    for (int tile = 0; tile < n_tiles; tile++) {
        if (owner[tile] == r->c.rank) {
            memset(treesum_leaf(t, tile), 0, dim * sizeof(float));
            treesum_leaf_done(t, tile);
        }
    }
    mem_fail_after(starve ? 1 : 0);
    enum err e = treesum_total(t, &r->c, out);
    mem_fail_after(0);
    arena_release(&arena);
    return e;
}

/* Reads away what the failed sum left under way, so that the next test starts clean: messages of
 * one tag arrive in order, so what comes before a rank's marker is all that it had sent. A probe
 * that finds nothing would prove nothing. */
static void sweep(struct ranks *r)
{
    struct buf b;
    buf_init(&b);
    for (int rank = 0; rank < r->c.size; rank++) {
        struct buf marker;
        buf_init(&marker);
        EXPECT(r, buf_append(&marker, "m", 1) == ERR_OK);
        EXPECT(r, comm_send(&r->c, rank, COMM_TAG_TREE, &marker) == ERR_OK);
    }
    for (int rank = 0; rank < r->c.size; rank++) {
        enum err e;
        do {
            e = comm_recv(&r->c, rank, COMM_TAG_TREE, &b, NULL);
        } while (e == ERR_OK && b.len != 1);
        EXPECT(r, e == ERR_OK);
    }
    EXPECT(r, comm_flush(&r->c) == ERR_OK);
    buf_release(&b);
}

/* One rank finds no memory for a message: everybody leaves with that error. */
static void test_error_reaches_everybody(struct ranks *r)
{
    if (r->c.size == 1) {
        return; /* one rank sends nothing */
    }
    int owner[12];
    size_t dim = 300000; /* more than any buffer that is there to be used again */
    for (int victim = 0; victim < r->c.size; victim += r->c.size - 1) {
        fill_table(owner, INTERLEAVED, 12, r->c.size);
        enum err e = sum_once(r, owner, 12, dim, r->c.rank == victim);
        EXPECT(r, e == ERR_MEMORY);
        sweep(r);
        dim *= 2;
    }
}

/* Ranks that add records of another size notice, and nobody is left waiting. */
static void test_mismatch_reaches_everybody(struct ranks *r)
{
    int owner[12];
    fill_table(owner, CONTIGUOUS, 12, r->c.size);
    bool odd = r->c.rank == r->c.size - 1;
    enum err e = sum_once(r, owner, 12, odd && r->c.size > 1 ? 5 : 6, false);
    EXPECT(r, e == (r->c.size > 1 ? ERR_MISMATCH : ERR_OK));
    /* who exchanges parts with the odd rank says so */
    const bool told = strstr(r->logged, odd ? "in 52 was due" : "in 56 was due") != NULL;
    e = comm_agree(&r->c, told ? ERR_MISMATCH : ERR_OK);
    EXPECT(r, e == (r->c.size > 1 ? ERR_MISMATCH : ERR_OK));
    sweep(r);
}

int main(int argc, char **argv)
{
    static const struct ranks_test tests[] = {
        {"any number of tiles, any table", test_any_table},
        {"skipped leaves", test_skipped_leaves},
        {"own tiles first would be noticed", test_can_fail},
        {"half a megabyte, in few buffers", test_gradient_size},
        {"records in slices", test_slices},
        {"an error reaches everybody", test_error_reaches_everybody},
        {"a mismatch reaches everybody", test_mismatch_reaches_everybody},
    };
    return ranks_main(argc, argv, tests, (int)(sizeof(tests) / sizeof(tests[0])));
}
