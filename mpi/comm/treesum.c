/* The exact tree sum: which additions are made is a property of the number of tiles alone.
 *
 * A rank's own tiles are added on a stack of nodes with disjoint, ascending ranges of tiles. A node
 * joins its left sibling as soon as that one is below it, and moves up alone where the tree was cut
 * and there is no right sibling. Pushing all leaves of a rank leaves its maximal subtrees on the
 * stack; these are the slots of the plan (treeplan.h), whose moves make the rest of the tree.
 */
#include "mpi/comm/treesum.h"

#include "core/base/log.h"
#include "mpi/comm/treeplan.h"

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
    int n_own, n_done, last_tile;
    struct node_stack own;
    struct treeplan plan;
    bool sibling_empty; /* the last message was of an empty node */
};

/* What precedes the part of a record in a message; a message that only tells of an error, or of an
 * empty node, has no part. */
struct head {
    int32_t level, index;
    uint64_t from, to; /* bytes of the record */
    int32_t err;       /* enum err */
    int32_t empty;
};

void tree_add_part_f32(void *ctx, void *into, const void *left, const void *right, size_t from,
                       size_t to)
{
    const size_t n = *(const size_t *)ctx * sizeof(float); /* what follows is padding */
    float *sum = into;
    const float *a = left, *b = right;
    to = to < n ? to : n;
    for (size_t i = 0; from + i * sizeof(float) < to; i++) {
        sum[i] = a[i] + b[i];
    }
}

void tree_add_f32(void *ctx, void *into, const void *left, const void *right)
{
    tree_add_part_f32(ctx, into, left, right, 0, *(const size_t *)ctx * sizeof(float));
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

/* ---- allocation ---- */

/* Pushes without records: how deep does the stack get? */
static void measure(struct treesum *t)
{
    for (int tile = 0; tile < t->n_tiles; tile++) {
        if (t->owner[tile] == t->rank) {
            push(t, &t->own, (struct node){0, tile, false});
            t->n_own++;
        }
    }
    CHECK(t->own.depth == t->plan.n_slots);
    t->own.depth = 0;
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
    for (int tile = 0; tile < n_tiles; tile++) {
        CHECK(owner[tile] >= 0 && owner[tile] < size);
    }
    TRY(treeplan_init(&t->plan, arena, op->bytes, op->merge_part != NULL, n_tiles, owner, rank,
                      size));
    t->root_level = t->plan.root_level;
    t->own.nodes = ARENA_NEW(arena, n_tiles, struct node);
    TRY(arena_error(arena));
    measure(t);
    unsigned char *records = arena_alloc(arena, (size_t)t->own.depth_max, t->stride);
    TRY(arena_error(arena));
    t->own.records = records;
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

/* Part [from, to) of `record`, a pointer to byte `from` of it. err != ERR_OK: the message tells of
 * that error and has no part. */
static enum err send_part(struct treesum *t, struct comm *c, const struct tree_move *m,
                          struct tree_node at, const unsigned char *part, bool empty, enum err err)
{
    struct head head = {at.level, at.index, m->from, m->to, (int32_t)err, empty ? 1 : 0};
    size_t n = err == ERR_OK && !empty ? m->to - m->from : 0;
    struct buf b;
    (void)t;
    TRY(comm_buf_take(c, &b, sizeof(head) + n));
    memcpy(b.data, &head, sizeof(head));
    if (n > 0) {
        memcpy(b.data + sizeof(head), part, n);
    }
    b.len = sizeof(head) + n;
    return comm_send(c, m->peer, COMM_TAG_TREE, &b);
}

/* The message in `b` must be the part of node `at` that is due, or tell of an error. */
static enum err check_message(struct treesum *t, const struct buf *b, const struct tree_move *m,
                              struct tree_node at)
{
    struct head head = {0};
    if (b->len >= sizeof(head)) {
        memcpy(&head, b->data, sizeof(head));
    }
    if (b->len == sizeof(head) && head.err > ERR_OK && head.err < ERR_COUNT) {
        return (enum err)head.err;
    }
    t->sibling_empty = head.empty != 0;
    size_t n = t->sibling_empty ? 0 : m->to - m->from;
    if (b->len != sizeof(head) + n || head.level != at.level || head.index != at.index ||
        head.from != m->from || head.to != m->to) {
        log_error("rank %d sent node (%d, %d) of a sum in %zu bytes where (%d, %d) in %zu was due; "
                  "start the same program with the same configuration on every host",
                  m->peer, (int)head.level, (int)head.index, b->len, at.level, at.index,
                  sizeof(head) + m->to - m->from);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

static enum err receive_part(struct treesum *t, struct comm *c, const struct tree_move *m,
                             struct tree_node at, struct buf *b)
{
    TRY(comm_recv(c, m->peer, COMM_TAG_TREE, b, NULL));
    return check_message(t, b, m, at);
}

/* ---- up: the sums of nodes with several owners ---- */

static void merge_part(const struct treesum *t, unsigned char *into, const unsigned char *left,
                       const unsigned char *right, const struct tree_move *m)
{
    if (t->op.merge_part != NULL) {
        t->op.merge_part(t->op.ctx, into, left, right, m->from, m->to);
    } else {
        t->op.merge(t->op.ctx, into, left, right);
    }
}

/* The sum of an empty node and another one is the other one. */
static void put_sum(struct treesum *t, unsigned char *into, const unsigned char *left,
                    const unsigned char *right, const struct tree_move *m, bool left_empty,
                    bool right_empty)
{
    if (!left_empty && !right_empty) {
        merge_part(t, into, left, right, m);
    } else if (!left_empty || !right_empty) {
        const unsigned char *only = left_empty ? right : left;
        if (into != only) {
            memcpy(into, only, m->to - m->from);
        }
    }
}

/* Byte `from` of a slot; NULL if there is none. */
static unsigned char *part_of(const struct treesum *t, int slot, const struct tree_move *m)
{
    return slot < 0 ? NULL : (unsigned char *)record_of(t, &t->own, slot) + m->from;
}

/* The flags of the slots are those of the children until the last move for the node. */
static void merge(struct treesum *t, const struct tree_move *m, const struct buf *b,
                  unsigned char *out)
{
    const unsigned char *received = m->peer < 0 ? NULL : b->data + sizeof(struct head);
    const unsigned char *left = m->left < 0 ? received : part_of(t, m->left, m);
    const unsigned char *right = m->right < 0 ? received : part_of(t, m->right, m);
    const bool left_empty = m->left < 0 ? t->sibling_empty : t->own.nodes[m->left].empty;
    const bool right_empty = m->right < 0 ? t->sibling_empty : t->own.nodes[m->right].empty;
    put_sum(t, m->into < 0 ? out + m->from : part_of(t, m->into, m), left, right, m, left_empty,
            right_empty);
    CHECK(!m->top || !left_empty || !right_empty);
    if (m->ends && m->into >= 0) {
        t->own.nodes[m->into].empty = left_empty && right_empty;
    }
}

/* From the first error on a rank sends errors in the place of parts, and still receives what is
 * sent to it, so that everybody hears of the error and nobody waits. */
static enum err climb(struct treesum *t, struct comm *c, struct buf *b, unsigned char *out,
                      enum err e)
{
    for (int i = 0; i < t->plan.n_moves; i++) {
        const struct tree_move *m = &t->plan.moves[i];
        if (m->sends) {
            const int slot = m->left >= 0 ? m->left : m->right;
            const bool empty = t->own.nodes[slot].empty;
            e = e == ERR_OK ? send_part(t, c, m, m->at, part_of(t, slot, m), empty, e) : e;
            if (e != ERR_OK) {
                comm_must(send_part(t, c, m, m->at, NULL, empty, e));
            }
            continue;
        }
        const enum err received = m->peer < 0 ? ERR_OK : receive_part(t, c, m, m->at, b);
        if (received == ERR_PEER) {
            return received;
        }
        e = e == ERR_OK ? received : e;
        if (e == ERR_OK) {
            merge(t, m, b, out);
        }
    }
    return e;
}

/* ---- down: the total, along the same edges ---- */

/* Who received a part of a node sends that part of the total back. */
static enum err descend(struct treesum *t, struct comm *c, struct buf *b, unsigned char *out,
                        enum err e)
{
    const struct tree_node root = {t->root_level, 0};
    for (int i = t->plan.n_moves - 1; i >= 0; i--) {
        const struct tree_move *m = &t->plan.moves[i];
        if (m->top || m->peer < 0) {
            continue;
        }
        if (!m->sends) {
            comm_must(send_part(t, c, m, root, out + m->from, false, e));
            continue;
        }
        const enum err received = receive_part(t, c, m, root, b);
        if (received == ERR_PEER) {
            return received;
        }
        e = e == ERR_OK ? received : e;
        if (e == ERR_OK) {
            memcpy(out + m->from, b->data + sizeof(struct head), m->to - m->from);
        }
    }
    return e;
}

/* Room for a message is made before anything is sent: a lack of it can still reach everybody. */
static enum err total(struct treesum *t, struct comm *c, unsigned char *out)
{
    struct buf b;
    buf_init(&b);
    enum err e = comm_buf_take(c, &b, sizeof(struct head) + t->op.bytes);
    e = climb(t, c, &b, out, e);
    if (e != ERR_PEER) {
        e = descend(t, c, &b, out, e);
    }
    comm_buf_give(c, &b);
    return e;
}

enum err treesum_total(struct treesum *t, struct comm *c, void *out)
{
    CHECK(t->n_own > 0 && t->n_done == t->n_own);
    enum err e = ERR_OK;
    if (t->plan.n_owners == 1) {
        CHECK(!t->own.nodes[0].empty);
        memcpy(out, t->own.records, t->op.bytes);
    } else {
        e = total(t, c, out);
    }
    t->own.depth = 0;
    t->n_done = 0;
    t->last_tile = -1;
    return e;
}
