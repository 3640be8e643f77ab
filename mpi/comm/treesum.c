/* The exact tree sum: which additions are made is a property of the number of tiles alone.
 *
 * Both halves rest on one stack of nodes with disjoint, ascending ranges of tiles. A node joins its
 * left sibling as soon as that one is below it, and moves up alone where the tree was cut and there
 * is no right sibling. Pushing the leaves of one rank leaves its maximal subtrees on the stack;
 * pushing all ranks' maximal subtrees in ascending tile order leaves the root. Everybody derives
 * the list of these subtrees (the plan) from the owner table, so the messages need no order of
 * their own: the next one from a rank is the next one of the plan.
 */
#include "mpi/comm/treesum.h"

#include "core/base/log.h"

#include <string.h>

struct node {
    int level, index; /* tiles [index << level, (index + 1) << level), cut at n_tiles */
    bool empty;       /* all of its leaves were skipped: its record means nothing */
};

struct node_stack {
    int depth, depth_max;
    struct node *nodes;     /* ascending ranges */
    unsigned char *records; /* (depth_max, stride); NULL while only the depth is measured */
};

struct treesum {
    struct tree_op op;
    size_t stride; /* of records, bytes */
    int n_tiles, root_level;
    const int *owner; /* (n_tiles), not owned */
    int rank;
    int *ranks; /* (n_ranks): those that own a tile, ascending; ranks[0] merges */
    int n_ranks;
    int position; /* ranks[position] == rank, or -1 */
    int n_own, n_done, last_tile;
    struct node *plan; /* (n_plan): maximal subtrees of all ranks, ascending */
    int n_plan;
    struct node_stack own, merged;
};

/* What precedes the record in a message; a message that only tells of an error has no record. */
struct head {
    int32_t level, index;
    int32_t err; /* enum err */
    int32_t empty;
};

void tree_add_f32(void *ctx, void *into, const void *left, const void *right)
{
    size_t n = *(const size_t *)ctx;
    float *sum = into;
    const float *a = left, *b = right;
    for (size_t i = 0; i < n; i++) {
        sum[i] = a[i] + b[i];
    }
}

/* ---- the tree ---- */

static int64_t first_tile(struct node at)
{
    return (int64_t)at.index << at.level;
}

static void *record_of(const struct treesum *t, const struct node_stack *s, int i)
{
    return s->records + (size_t)i * t->stride;
}

/* Whether the two topmost nodes are the two children of one. */
static bool top_has_sibling(const struct node_stack *s)
{
    if (s->depth < 2) {
        return false;
    }
    struct node left = s->nodes[s->depth - 2], top = s->nodes[s->depth - 1];
    return top.index % 2 == 1 && left.level == top.level && left.index == top.index - 1;
}

static bool top_is_alone(const struct treesum *t, const struct node_stack *s)
{
    struct node top = s->nodes[s->depth - 1];
    struct node right = {top.level, top.index + 1, false};
    return top.index % 2 == 0 && first_tile(right) >= t->n_tiles;
}

/* The two topmost nodes become one, still with the name of the left one. */
static void join_top(const struct treesum *t, struct node_stack *s)
{
    struct node *left = &s->nodes[s->depth - 2];
    const struct node *right = &s->nodes[s->depth - 1];
    s->depth--;
    if (right->empty || s->records == NULL) {
        return;
    }
    void *sum = record_of(t, s, s->depth - 1);
    const void *added = record_of(t, s, s->depth);
    if (left->empty) {
        memcpy(sum, added, t->op.bytes);
        left->empty = false;
    } else {
        t->op.merge(t->op.ctx, sum, sum, added);
    }
}

/* Replaces the top by its parent for as long as the parent is complete. */
static void settle(const struct treesum *t, struct node_stack *s)
{
    while (s->nodes[s->depth - 1].level < t->root_level) {
        if (top_has_sibling(s)) {
            join_top(t, s);
        } else if (!top_is_alone(t, s)) {
            return;
        }
        struct node *top = &s->nodes[s->depth - 1];
        *top = (struct node){top->level + 1, top->index / 2, top->empty};
    }
}

/* The record of the new top is already in place. */
static void push(const struct treesum *t, struct node_stack *s, struct node at)
{
    s->nodes[s->depth++] = at;
    s->depth_max = s->depth > s->depth_max ? s->depth : s->depth_max;
    settle(t, s);
}

/* ---- the plan ---- */

static bool has_one_owner(const struct treesum *t, struct node at)
{
    int64_t end = first_tile((struct node){at.level, at.index + 1, false});
    int64_t first = first_tile(at);
    for (int64_t tile = first; tile < end && tile < t->n_tiles; tile++) {
        if (t->owner[tile] != t->owner[first]) {
            return false;
        }
    }
    return true;
}

/* Appends the maximal subtrees below `at`; the depth of the recursion is its level. */
static void plan_below(struct treesum *t, struct node at)
{
    if (first_tile(at) >= t->n_tiles) {
        return;
    }
    if (has_one_owner(t, at)) {
        t->plan[t->n_plan++] = at;
        return;
    }
    plan_below(t, (struct node){at.level - 1, 2 * at.index, false});
    plan_below(t, (struct node){at.level - 1, 2 * at.index + 1, false});
}

static int plan_owner(const struct treesum *t, int i)
{
    return t->owner[first_tile(t->plan[i])];
}

static void list_ranks(struct treesum *t, int size)
{
    t->position = -1;
    for (int rank = 0; rank < size; rank++) {
        bool owns = false;
        for (int tile = 0; tile < t->n_tiles && !owns; tile++) {
            owns = t->owner[tile] == rank;
        }
        if (owns) {
            t->position = rank == t->rank ? t->n_ranks : t->position;
            t->ranks[t->n_ranks++] = rank;
        }
    }
}

/* Pushes without records: how deep do the stacks get? */
static void measure(struct treesum *t)
{
    for (int tile = 0; tile < t->n_tiles; tile++) {
        if (t->owner[tile] == t->rank) {
            push(t, &t->own, (struct node){0, tile, false});
            t->n_own++;
        }
    }
    t->own.depth = 0;
    for (int i = 0; t->position == 0 && t->n_ranks > 1 && i < t->n_plan; i++) {
        push(t, &t->merged, t->plan[i]);
    }
    t->merged.depth = 0;
}

static enum err allocate_tables(struct treesum *t, struct arena *arena, int size)
{
    t->ranks = ARENA_NEW(arena, size, int);
    t->plan = ARENA_NEW(arena, t->n_tiles, struct node);
    t->own.nodes = ARENA_NEW(arena, t->n_tiles, struct node);
    t->merged.nodes = ARENA_NEW(arena, t->n_tiles, struct node);
    return arena_error(arena);
}

static enum err allocate_records(struct treesum *t, struct arena *arena)
{
    unsigned char *own = arena_alloc(arena, (size_t)t->own.depth_max, t->stride);
    unsigned char *merged = arena_alloc(arena, (size_t)t->merged.depth_max, t->stride);
    TRY(arena_error(arena));
    t->own.records = own;
    t->merged.records = merged;
    return ERR_OK;
}

enum err treesum_init(struct treesum **out, struct arena *arena, const struct tree_op *op,
                      int n_tiles, const int *owner, int rank, int size)
{
    CHECK(n_tiles >= 1 && op->bytes >= 1);
    struct treesum *t = ARENA_NEW(arena, 1, struct treesum);
    TRY(arena_error(arena));
    size_t stride = (op->bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    *t = (struct treesum){.op = *op, .stride = stride, .n_tiles = n_tiles, .owner = owner};
    t->rank = rank;
    t->last_tile = -1;
    while ((int64_t)1 << t->root_level < n_tiles) {
        t->root_level++;
    }
    for (int tile = 0; tile < n_tiles; tile++) {
        CHECK(owner[tile] >= 0 && owner[tile] < size);
    }
    TRY(allocate_tables(t, arena, size));
    list_ranks(t, size);
    plan_below(t, (struct node){t->root_level, 0, false});
    measure(t);
    TRY(allocate_records(t, arena));
    *out = t;
    return ERR_OK;
}

/* ---- leaves ---- */

static void check_turn(const struct treesum *t, int tile)
{
    CHECK(tile > t->last_tile && tile < t->n_tiles);
    CHECK(t->owner[tile] == t->rank);
}

void *treesum_leaf(struct treesum *t, int tile)
{
    check_turn(t, tile);
    return record_of(t, &t->own, t->own.depth);
}

static void finish_leaf(struct treesum *t, int tile, bool empty)
{
    check_turn(t, tile);
    t->last_tile = tile;
    t->n_done++;
    push(t, &t->own, (struct node){0, tile, empty});
}

void treesum_leaf_done(struct treesum *t, int tile)
{
    finish_leaf(t, tile, false);
}

void treesum_leaf_skip(struct treesum *t, int tile)
{
    finish_leaf(t, tile, true);
}

/* ---- messages ---- */

/* err != ERR_OK: the message tells of that error and has no record. */
static enum err send_node(struct treesum *t, struct comm *c, int dst, struct node at,
                          const void *record, enum err err)
{
    struct head head = {at.level, at.index, (int32_t)err, at.empty ? 1 : 0};
    size_t n = err == ERR_OK && !at.empty ? t->op.bytes : 0;
    struct buf b;
    TRY(comm_buf_take(c, &b, sizeof(head) + n));
    memcpy(b.data, &head, sizeof(head));
    if (n > 0) {
        memcpy(b.data + sizeof(head), record, n);
    }
    b.len = sizeof(head) + n;
    return comm_send(c, dst, COMM_TAG_TREE, &b);
}

/* The message in `b` must be node `at`, or tell of an error. *empty: the node has no record. */
static enum err check_message(const struct treesum *t, const struct buf *b, struct node at, int src,
                              bool *empty)
{
    struct head head = {0};
    if (b->len >= sizeof(head)) {
        memcpy(&head, b->data, sizeof(head));
    }
    if (b->len == sizeof(head) && head.err > ERR_OK && head.err < ERR_COUNT) {
        return (enum err)head.err;
    }
    *empty = head.empty != 0;
    size_t n = *empty ? 0 : t->op.bytes;
    if (b->len != sizeof(head) + n || head.level != at.level || head.index != at.index) {
        log_error("rank %d sent node (%d, %d) of a sum in %zu bytes where (%d, %d) in %zu was due; "
                  "start the same program with the same configuration on every host",
                  src, (int)head.level, (int)head.index, b->len, at.level, at.index,
                  sizeof(head) + t->op.bytes);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

/* ---- up: subtrees to the lowest owner ---- */

static enum err send_subtrees(struct treesum *t, struct comm *c)
{
    for (int i = 0; i < t->own.depth; i++) {
        void *record = record_of(t, &t->own, i);
        TRY(send_node(t, c, t->ranks[0], t->own.nodes[i], record, ERR_OK));
    }
    return ERR_OK;
}

/* Puts node i of the plan, received from its owner, on top of the merged ones. */
static enum err merge_received(struct treesum *t, struct comm *c, int i, struct buf *b)
{
    struct node at = t->plan[i];
    int src = plan_owner(t, i);
    TRY(comm_recv(c, src, COMM_TAG_TREE, b, NULL));
    TRY(check_message(t, b, at, src, &at.empty));
    if (!at.empty) {
        void *slot = record_of(t, &t->merged, t->merged.depth);
        memcpy(slot, b->data + sizeof(struct head), t->op.bytes);
    }
    push(t, &t->merged, at);
    return ERR_OK;
}

static enum err merge_all(struct treesum *t, struct comm *c, struct buf *b)
{
    int i_own = 0;
    for (int i = 0; i < t->n_plan; i++) {
        if (plan_owner(t, i) == t->rank) {
            const struct node at = t->own.nodes[i_own];
            void *slot = record_of(t, &t->merged, t->merged.depth);
            memcpy(slot, record_of(t, &t->own, i_own++), t->op.bytes);
            push(t, &t->merged, at);
        } else {
            TRY(merge_received(t, c, i, b));
        }
    }
    CHECK(t->merged.depth == 1 && t->merged.nodes[0].level == t->root_level);
    CHECK(!t->merged.nodes[0].empty);
    return ERR_OK;
}

static enum err gather(struct treesum *t, struct comm *c)
{
    struct buf b;
    TRY(comm_buf_take(c, &b, sizeof(struct head) + t->op.bytes));
    enum err e = merge_all(t, c, &b);
    comm_buf_give(c, &b);
    return e;
}

/* ---- down: the total along a binomial tree over positions ---- */

/* Children of position p are p + step for the powers of two below p's lowest set bit. */
static void pass_on(struct treesum *t, struct comm *c, const void *total, enum err err)
{
    int low = t->position == 0 ? t->n_ranks : t->position & -t->position;
    int step = 1;
    while (2 * step < low) {
        step *= 2;
    }
    for (; step >= 1; step /= 2) { /* farthest first: it has the most to pass on itself */
        if (step < low && t->position + step < t->n_ranks) {
            int child = t->ranks[t->position + step];
            struct node root = {t->root_level, 0, false};
            comm_must(send_node(t, c, child, root, total, err));
        }
    }
}

static enum err receive_total(struct treesum *t, struct comm *c, struct buf *b, void *out)
{
    int parent = t->ranks[t->position & (t->position - 1)];
    enum err e = comm_recv(c, parent, COMM_TAG_TREE, b, NULL);
    bool empty = false;
    if (e == ERR_OK) {
        e = check_message(t, b, (struct node){t->root_level, 0, false}, parent, &empty);
    }
    const void *total = e == ERR_OK ? b->data + sizeof(struct head) : NULL;
    pass_on(t, c, total, e);
    if (e == ERR_OK) {
        memcpy(out, total, t->op.bytes);
    }
    return e;
}

static enum err total_at_root(struct treesum *t, struct comm *c, void *out)
{
    enum err e = gather(t, c);
    pass_on(t, c, t->merged.records, e);
    if (e == ERR_OK) {
        memcpy(out, t->merged.records, t->op.bytes);
    }
    return e;
}

/* Room for the total is made before anything is sent: a lack of it can still reach everybody. */
static enum err total_elsewhere(struct treesum *t, struct comm *c, void *out)
{
    struct buf b;
    buf_init(&b);
    enum err e = comm_buf_take(c, &b, sizeof(struct head) + t->op.bytes);
    if (e == ERR_OK) {
        e = send_subtrees(t, c);
    }
    if (e != ERR_OK) {
        comm_must(send_node(t, c, t->ranks[0], (struct node){0, 0, false}, NULL, e));
    }
    e = receive_total(t, c, &b, out);
    comm_buf_give(c, &b);
    return e;
}

enum err treesum_total(struct treesum *t, struct comm *c, void *out)
{
    CHECK(t->position >= 0 && t->n_done == t->n_own);
    enum err e = ERR_OK;
    if (t->n_ranks == 1) {
        CHECK(!t->own.nodes[0].empty);
        memcpy(out, t->own.records, t->op.bytes);
    } else if (t->position == 0) {
        e = total_at_root(t, c, out);
    } else {
        e = total_elsewhere(t, c, out);
    }
    t->own.depth = 0;
    t->merged.depth = 0;
    t->n_done = 0;
    t->last_tile = -1;
    return e;
}
