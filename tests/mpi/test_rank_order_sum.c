/* That the digest can fail: the same training with a sum in the order of the ranks.
 * RUN: np=1,4
 *
 * What MPI_Allreduce(MPI_SUM) would do: each learner adds its own tiles, as exactly as can be, and
 * then the ranks are added one after the other. This program is mpi/comm/treesum.c with one
 * function replaced. On one rank it gives the committed digest; with 10 tiles on 3 learners it must
 * not.
 */
#define treesum_total treesum_total_by_tree
#include "mpi/comm/treesum.c"
#undef treesum_total
enum err treesum_total(struct treesum *t, struct comm *c, void *out);

#include "tests/mpi/tiny.h"

/* The subtrees that one rank owns, from the left: its share of the sum, in its first record; zeros
 * if all of its tiles were skipped. */
static void add_own(struct treesum *t)
{
    void *sum = record_of(t, &t->own, 0);
    bool any = false;
    for (int i = 0; i < t->own.depth; i++) {
        const void *part = record_of(t, &t->own, i);
        if (t->own.nodes[i].empty) {
            continue;
        }
        if (any) {
            t->op.merge(t->op.ctx, sum, sum, part);
        } else if (i > 0) {
            memcpy(sum, part, t->op.bytes);
        }
        any = true;
    }
    if (!any) {
        memset(sum, 0, t->op.bytes);
    }
}

static enum err send_record(struct treesum *t, struct comm *c, int dst)
{
    struct buf b;
    TRY(comm_buf_take(c, &b, t->op.bytes));
    memcpy(b.data, record_of(t, &t->own, 0), t->op.bytes);
    b.len = t->op.bytes;
    return comm_send(c, dst, COMM_TAG_TREE, &b);
}

/* Adds the record of another rank, or takes it in place of one's own. */
static enum err receive_record(struct treesum *t, struct comm *c, int src, bool adds)
{
    struct buf b;
    TRY(comm_buf_take(c, &b, t->op.bytes));
    TRY(comm_recv(c, src, COMM_TAG_TREE, &b, NULL));
    void *mine = record_of(t, &t->own, 0);
    if (adds) {
        t->op.merge(t->op.ctx, mine, mine, b.data);
    } else {
        memcpy(mine, b.data, t->op.bytes);
    }
    comm_buf_give(c, &b);
    return ERR_OK;
}

/* Learners are the lowest ranks. */
static enum err add_ranks(struct treesum *t, struct comm *c)
{
    for (int i = 1; i < t->plan.n_owners; i++) {
        TRY(receive_record(t, c, i, true));
    }
    for (int i = 1; i < t->plan.n_owners; i++) {
        TRY(send_record(t, c, i));
    }
    return ERR_OK;
}

enum err treesum_total(struct treesum *t, struct comm *c, void *out)
{
    add_own(t);
    if (t->rank == 0) {
        TRY(add_ranks(t, c));
    } else {
        TRY(send_record(t, c, 0));
        TRY(receive_record(t, c, 0, false));
    }
    memcpy(out, record_of(t, &t->own, 0), t->op.bytes);
    t->own.depth = 0;
    t->n_done = 0;
    t->last_tile = -1;
    return ERR_OK;
}

static uint64_t digest_with(struct ranks *r, const char *learners)
{
    struct tiny_run t = {0};
    tiny_set(&t, learners);
    EXPECT(r, tiny_go(r, &t) == ERR_OK);
    return t.digest;
}

/* The sum of one rank is the exact one, whoever simulates. */
static void test_one_learner(struct ranks *r)
{
    const uint64_t digest = digest_with(r, "train.learners=1");
    EXPECT(r, tiny_same("one learner", digest, tiny_golden("scratch")));
}

static void test_three_learners(struct ranks *r)
{
    if (r->c.size > 3) {
        const uint64_t digest = digest_with(r, "train.learners=3");
        EXPECT(r, digest != tiny_golden("scratch"));
    }
}

static const struct ranks_test tests[] = {
    {"one learner gives the committed digest", test_one_learner},
    {"three learners added in the order of ranks do not", test_three_learners},
};

int main(int argc, char **argv)
{
    return ranks_main(argc, argv, tests, (int)(sizeof tests / sizeof *tests));
}
