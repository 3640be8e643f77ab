/* One recursion over the nodes with several owners, from the leaves up. See treeplan.h.
 *
 * The recursion returns, for each node, who makes each slice of it. Where the makers of its two
 * children differ, one of them sends. Both ranks find the same runs of slices in the same order, so
 * messages between two ranks need no order of their own.
 *
 * Nobody waits for ever. The nodes are finished in one order on all ranks, and a rank that waits at
 * a node waits for a peer that has not come to this node yet. That peer in turn waits, if at all,
 * at an earlier node; there is a first one. At one node all sends come before all merges. */
#include "mpi/comm/treeplan.h"

#include <string.h>

/* While the plan is made. */
struct planner {
    struct treeplan *plan; /* moves NULL: they are only counted */
    const int *owner;
    int n_tiles, rank;
    size_t bytes;
    int n_slices, n_bits; /* n_slices = 2^n_bits */
    int root_height;
    int *makers; /* (root_height + 1, 2, n_slices): of the children of a node of that height */
    int n_slots; /* of this rank, so far */
};

/* What the recursion says of a node. */
struct made {
    struct tree_node at;
    int height;        /* 0: one owner; else 1 + that of the higher child */
    int slot;          /* where this rank has its slices; -1: it makes none */
    const int *makers; /* (n_slices) */
};

/* ---- the tree ---- */

static int64_t first_tile(struct tree_node at)
{
    return (int64_t)at.index << at.level;
}

static bool has_one_owner(const struct planner *p, struct tree_node at)
{
    const int64_t first = first_tile(at);
    const int64_t end = first_tile((struct tree_node){at.level, at.index + 1});
    for (int64_t tile = first; tile < end && tile < p->n_tiles; tile++) {
        if (p->owner[tile] != p->owner[first]) {
            return false;
        }
    }
    return true;
}

static struct tree_node left_of(struct tree_node at)
{
    return (struct tree_node){at.level - 1, 2 * at.index};
}

static struct tree_node right_of(struct tree_node at)
{
    return (struct tree_node){at.level - 1, 2 * at.index + 1};
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* The depth of the recursion is the level. A node without a right child is its left child. */
static int height_of(const struct planner *p, struct tree_node at)
{
    if (has_one_owner(p, at)) {
        return 0;
    }
    const int left = height_of(p, left_of(at));
    if (first_tile(right_of(at)) >= p->n_tiles) {
        return left;
    }
    return 1 + larger(left, height_of(p, right_of(at)));
}

/* ---- slices ---- */

/* Where slice s begins. Cuts are multiples of MEM_ALIGN; the last slice ends with the record. */
static size_t cut(const struct planner *p, int s)
{
    const size_t units = (p->bytes + MEM_ALIGN - 1) / MEM_ALIGN;
    const size_t at = (size_t)s * units / (size_t)p->n_slices * MEM_ALIGN;
    return at < p->bytes ? at : p->bytes;
}

/* Both makers of the children make a slice of the root. One makes that of another node: at height 1
 * the highest bit of the slice's number decides, at height 2 the next one, and where no bit is left
 * the left child. */
static bool goes_right(const struct planner *p, int height, int s)
{
    return height <= p->n_bits && (s >> (p->n_bits - height) & 1) != 0;
}

/* ---- moves ---- */

static void add_move(struct planner *p, const struct tree_move *m)
{
    if (p->plan->moves != NULL) {
        p->plan->moves[p->plan->n_moves] = *m;
    }
    p->plan->n_moves++;
}

/* Slices [from, to) of a node have the same two makers and go the same way. */
struct run {
    int from, to;
    bool right; /* the maker of the right child makes the sum */
};

static struct run run_at(const struct planner *p, const struct made *left, const struct made *right,
                         int height, int from)
{
    struct run r = {from, from + 1, goes_right(p, height, from)};
    while (r.to < p->n_slices && left->makers[r.to] == left->makers[from] &&
           right->makers[r.to] == right->makers[from] && goes_right(p, height, r.to) == r.right) {
        r.to++;
    }
    return r;
}

/* What this rank sends of a run, if anything. */
static void add_send(struct planner *p, const struct made *left, const struct made *right,
                     const struct run *r, bool top)
{
    const int l = left->makers[r->from], q = right->makers[r->from];
    const bool from_left = l == p->rank && (top || r->right);
    const bool from_right = q == p->rank && (top || !r->right);
    if (l == q || (!from_left && !from_right)) {
        return;
    }
    const struct made *mine = from_left ? left : right;
    const struct tree_move m = {.sends = true,
                                .top = top,
                                .peer = from_left ? q : l,
                                .left = from_left ? mine->slot : -1,
                                .right = from_left ? -1 : mine->slot,
                                .into = -1,
                                .from = cut(p, r->from),
                                .to = cut(p, r->to),
                                .at = mine->at};
    add_move(p, &m);
}

/* What this rank makes of a run, if anything, into `slot`. */
static void add_merge(struct planner *p, const struct made *left, const struct made *right,
                      const struct run *r, bool top, int slot)
{
    const int l = left->makers[r->from], q = right->makers[r->from];
    const bool makes = top ? l == p->rank || q == p->rank : (r->right ? q : l) == p->rank;
    if (!makes) {
        return;
    }
    const struct tree_move m = {.top = top,
                                .peer = l == q         ? -1
                                        : l == p->rank ? q
                                                       : l,
                                .left = l == p->rank ? left->slot : -1,
                                .right = q == p->rank ? right->slot : -1,
                                .into = top ? -1 : slot,
                                .from = cut(p, r->from),
                                .to = cut(p, r->to),
                                .at = l == p->rank ? right->at : left->at};
    add_move(p, &m);
}

/* The sum of a rank is made in the slot of the left child if it has one of both. */
static void add_moves(struct planner *p, struct made *node, const struct made *left,
                      const struct made *right, int *makers)
{
    const bool top = node->height == p->root_height;
    const int slot = left->slot >= 0 ? left->slot : right->slot, before = p->plan->n_moves;
    for (int s = 0; s < p->n_slices;) {
        const struct run r = run_at(p, left, right, node->height, s);
        add_send(p, left, right, &r, top);
        s = r.to;
    }
    for (int s = 0; s < p->n_slices;) {
        const struct run r = run_at(p, left, right, node->height, s);
        add_merge(p, left, right, &r, top, slot);
        s = r.to;
    }
    if (p->plan->moves != NULL && p->plan->n_moves > before) {
        p->plan->moves[p->plan->n_moves - 1].ends = true;
    }
    node->slot = -1;
    for (int s = 0; s < p->n_slices; s++) {
        makers[s] = goes_right(p, node->height, s) ? right->makers[s] : left->makers[s];
        node->slot = makers[s] == p->rank ? slot : node->slot;
    }
    node->makers = makers;
}

static struct made made_by_one(struct planner *p, struct tree_node at, int *makers)
{
    const int maker = p->owner[first_tile(at)];
    for (int s = 0; s < p->n_slices; s++) {
        makers[s] = maker;
    }
    return (struct made){.at = at, .slot = maker == p->rank ? p->n_slots++ : -1, .makers = makers};
}

/* makers: (n_slices) for the answer. Those of the children of a node stand in the row of its
 * height: rows below it are free again when the left child is done. */
static struct made plan_below(struct planner *p, struct tree_node at, int *makers)
{
    if (has_one_owner(p, at)) {
        return made_by_one(p, at, makers);
    }
    if (first_tile(right_of(at)) >= p->n_tiles) {
        return plan_below(p, left_of(at), makers);
    }
    struct made node = {.at = at, .height = height_of(p, at)};
    int *of_left = p->makers + (size_t)node.height * 2 * (size_t)p->n_slices;
    const struct made left = plan_below(p, left_of(at), of_left);
    const struct made right = plan_below(p, right_of(at), of_left + p->n_slices);
    add_moves(p, &node, &left, &right, makers);
    return node;
}

/* ---- the plan ---- */

static int count_owners(const int *owner, int n_tiles, bool *owns)
{
    int n = 0;
    for (int tile = 0; tile < n_tiles; tile++) {
        n += !owns[owner[tile]];
        owns[owner[tile]] = true;
    }
    return n;
}

/* As many slices as the levels below the root can share out. */
static void choose_slices(struct planner *p, bool divisible)
{
    p->n_slices = 1;
    while (divisible && p->n_bits < p->root_height - 1 && 2 * p->n_slices <= TREEPLAN_SLICES_MAX &&
           (size_t)p->n_slices * 2 * TREEPLAN_SLICE_MIN <= p->bytes) {
        p->n_slices *= 2;
        p->n_bits++;
    }
}

/* The same recursion twice: the moves are counted, then written. */
enum err treeplan_init(struct treeplan *out, struct arena *arena, size_t bytes, bool divisible,
                       int n_tiles, const int *owner, int rank, int size)
{
    struct treeplan plan = {0};
    struct planner p = {
        .plan = &plan, .owner = owner, .n_tiles = n_tiles, .rank = rank, .bytes = bytes};
    while ((int64_t)1 << plan.root_level < n_tiles) {
        plan.root_level++;
    }
    const struct tree_node root = {plan.root_level, 0};
    p.root_height = height_of(&p, root);
    choose_slices(&p, divisible);
    bool *owns = ARENA_NEW(arena, size, bool);
    const size_t rows = (size_t)p.root_height + 2; /* the last one: of the root */
    p.makers = ARENA_NEW(arena, rows * 2 * (size_t)p.n_slices, int);
    TRY(arena_error(arena));
    int *makers = p.makers + (rows - 1) * 2 * (size_t)p.n_slices;
    plan.n_owners = count_owners(owner, n_tiles, owns);
    (void)plan_below(&p, root, makers);
    plan.n_slots = p.n_slots;
    struct tree_move *moves = ARENA_NEW(arena, plan.n_moves, struct tree_move);
    TRY(arena_error(arena));
    plan.moves = moves;
    plan.n_moves = p.n_slots = 0;
    (void)plan_below(&p, root, makers);
    *out = plan;
    return ERR_OK;
}
