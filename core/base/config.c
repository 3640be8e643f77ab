/* Sources -> struct: one after the other onto one struct, defaults, each file after the files it
 * includes, each --set.
 *
 * A tree of source locations with the shape of the tables is filled alongside, so that a later
 * check can name the line of any value. What is wrong in a source is reported and counted while
 * reading goes on; only a lack of memory, or syntax that leaves no tree, ends a source early. */
#include "core/base/config_parts.h"
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that is being read, and the one that includes it. */
struct open_file {
    const struct open_file *includer; /* NULL: named by the user */
    const char *path;
    dev_t device; /* with inode: the same file under any name */
    ino_t inode;
};

/* Files -------------------------------------------------------------------------------------- */

/* "dir/" of "dir/name", "" of "name". */
static const char *directory_of(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return "";
    }
    return arena_printf(a, "%.*s", (int)(slash - path + 1), path);
}

static struct cfg_origin *new_origin(struct cfg_loading *l, const char *label, const char *dir,
                                     bool has_lines)
{
    struct cfg_origin *o = ARENA_NEW(l->c->arena, 1, struct cfg_origin);
    char *copy = arena_strdup(l->c->arena, label);
    if (arena_error(l->c->arena) != ERR_OK) {
        return NULL;
    }
    *o = (struct cfg_origin){.label = copy, .dir = dir, .has_lines = has_lines};
    return o;
}

/* Everything the descriptor gives, up to one byte more than allowed. */
static enum err read_all(struct buf *b, int fd)
{
    unsigned char block[16 * 1024];
    /* Ends with more than CFG_FILE_MAX bytes at most one block later, so an endless file (a device)
     * is not read into memory; the caller sees the length and refuses. */
    while (b->len <= CFG_FILE_MAX) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return ERR_IO;
        }
        if (n == 0) {
            return ERR_OK;
        }
        TRY(buf_append(b, block, (size_t)n));
    }
    return ERR_OK;
}

static void report_unreadable(struct cfg_loading *l, const char *path, struct cfg_mark from)
{
    const char *why = strerror(errno);
    l->incomplete = true;
    if (from.origin != NULL) {
        cfg_report(&l->c->n_errors, from, "include",
                   "'%s' cannot be read (%s); paths are relative to the file that includes them",
                   path, why);
    } else {
        struct cfg_origin o = {.label = path};
        cfg_report(&l->c->n_errors, (struct cfg_mark){.origin = &o}, "",
                   "cannot be read (%s); check the name of the configuration file", why);
    }
}

/* Whether `file` is being read already, further out; reports the chain. Compared by device and
 * inode: names may differ. With this check the depth of includes is bounded by the number of
 * files. */
static bool is_cycle(struct cfg_loading *l, const struct open_file *file, struct cfg_mark from)
{
    struct cfg_text chain = {.len = 0};
    cfg_text_add(&chain, "%s", file->path);
    for (const struct open_file *f = file->includer; f != NULL; f = f->includer) {
        cfg_text_add(&chain, " is included by %s", f->path);
        if (f->device == file->device && f->inode == file->inode) {
            cfg_report(&l->c->n_errors, from, "include",
                       "files include each other (%s); remove one of the includes", chain.s);
            return true;
        }
    }
    return false;
}

static enum err apply_text(struct cfg_loading *l, const struct open_file *file, const char *text,
                           size_t len);

static enum err apply_opened(struct cfg_loading *l, struct open_file *file, int fd,
                             struct cfg_mark from)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        report_unreadable(l, file->path, from);
        return ERR_OK;
    }
    file->device = st.st_dev;
    file->inode = st.st_ino;
    if (is_cycle(l, file, from)) {
        return ERR_OK;
    }
    struct buf b;
    buf_init(&b);
    enum err e = read_all(&b, fd);
    if (e == ERR_IO) {
        report_unreadable(l, file->path, from);
        e = ERR_OK;
    } else if (e == ERR_OK && b.len > CFG_FILE_MAX) {
        struct cfg_origin o = {.label = file->path};
        cfg_report(&l->c->n_errors, (struct cfg_mark){.origin = &o}, "",
                   "larger than %d MiB, which no configuration is; check the file name",
                   CFG_FILE_MAX / (1024 * 1024));
    } else if (e == ERR_OK) {
        e = apply_text(l, file, (const char *)b.data, b.len);
    }
    buf_release(&b);
    return e;
}

/* `from`: the line that includes it; origin NULL if the user named it. */
static enum err apply_file(struct cfg_loading *l, const char *path,
                           const struct open_file *includer, struct cfg_mark from)
{
    struct open_file file = {.includer = includer, .path = path};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        report_unreadable(l, path, from);
        return ERR_OK;
    }
    enum err e = apply_opened(l, &file, fd, from);
    (void)close(fd);
    return e;
}

static enum err apply_include(struct cfg_loading *l, const struct cfg_origin *origin,
                              const struct open_file *file, const struct cfg_node *node)
{
    if (node->kind == CFG_NODE_BAD) {
        return ERR_OK;
    }
    if (node->kind != CFG_NODE_SCALAR || cfg_node_is_null(node)) {
        cfg_report(&l->c->n_errors, node->mark, "include",
                   "allowed is a list of paths; write include: [path, path]");
        return ERR_OK;
    }
    const char *path = node->text;
    /* Paths are relative to the file that includes. Where nothing is there, the file that was
     * installed with the program serves; the message about a missing file names the first of the
     * two. */
    if (*path != '/' && *origin->dir != '\0') {
        path = arena_printf(&l->scratch, "%s%s", origin->dir, path);
        TRY(arena_error(&l->scratch));
    }
    if (!file_exists(path)) {
        const char *installed = file_installed(&l->scratch, node->text);
        if (installed == NULL) {
            return ERR_MEMORY;
        }
        path = installed != node->text ? installed : path;
    }
    return apply_file(l, path, file, node->mark);
}

/* Files named under the key `include`, wherever in the root map it stands. */
static enum err apply_includes(struct cfg_loading *l, const struct cfg_origin *origin,
                               const struct open_file *file, const struct cfg_node *root)
{
    const struct cfg_node *first = NULL;
    for (const struct cfg_node *n = root->first; n != NULL && !cfg_gave_up(l); n = n->next) {
        if (strcmp(n->key, "include") != 0) {
            continue;
        }
        if (first != NULL) {
            cfg_report(&l->c->n_errors, n->key_mark, "include",
                       "given twice, first in line %d; write one list", first->key_mark.line);
            continue;
        }
        first = n;
        if (n->kind != CFG_NODE_LIST) {
            TRY(apply_include(l, origin, file, n));
        }
        for (const struct cfg_node *path = n->first; path != NULL && n->kind == CFG_NODE_LIST;
             path = path->next) {
            TRY(apply_include(l, origin, file, path));
        }
    }
    return ERR_OK;
}

/* A file or named text, after the files it includes. */
static enum err apply_text(struct cfg_loading *l, const struct open_file *file, const char *text,
                           size_t len)
{
    struct cfg_node *root = NULL;
    const struct cfg_origin *origin =
        new_origin(l, file->path, directory_of(l->c->arena, file->path), true);
    if (origin == NULL) {
        return ERR_MEMORY;
    }
    /* The first text is where a key that is missing everywhere is reported: the user will look
     * there. */
    if (l->start.origin == NULL) {
        l->start = (struct cfg_mark){.origin = origin};
    }
    enum err e = cfg_yaml_parse(&root, &l->c->n_errors, &l->scratch, origin, text, len);
    if (e == ERR_CONFIG) {
        l->incomplete = true;
        return ERR_OK;
    }
    if (e != ERR_OK || root == NULL) {
        return e;
    }
    if (root->kind == CFG_NODE_MAP) {
        /* Included files first, whatever their place in the map: the file that includes has the
         * last word. */
        TRY(apply_includes(l, origin, file, root));
    }
    l->origin = origin;
    TRY(cfg_read(l, &l->root, root));
    l->origin = NULL;
    return ERR_OK;
}

/* Overrides ---------------------------------------------------------------------------------- */

/* "a.b=c" */
static enum err apply_set(struct cfg_loading *l, const char *set)
{
    struct cfg_node *node = NULL;
    struct cfg_node scalar = {.kind = CFG_NODE_SCALAR, .text = ""};
    const char *label = arena_printf(&l->scratch, "--set %s", set);
    char *key = arena_strdup(&l->scratch, set);
    TRY(arena_error(&l->scratch));
    struct cfg_origin *origin = new_origin(l, label, "", false);
    if (origin == NULL) {
        return ERR_MEMORY;
    }
    origin->is_set = true;
    /* The first '=' separates, so the value may contain others. The value is YAML like that of a
     * file: --set seeds=[1,2,3] gives a list. */
    char *equals = strchr(key, '=');
    if (equals == NULL || equals == key) {
        cfg_report(&l->c->n_errors, (struct cfg_mark){.origin = origin}, "",
                   "not of the form KEY=VALUE; write for example --set seeds=[1,2,3]");
        return ERR_OK;
    }
    *equals = '\0';
    if (equals[1] == '#') { /* in YAML a comment, which nobody gives here */
        scalar.text = equals + 1;
        scalar.quoted = true;
    } else {
        const enum err e = cfg_yaml_parse(&node, &l->c->n_errors, &l->scratch, origin, equals + 1,
                                          strlen(equals + 1));
        if (e != ERR_OK) {
            return e == ERR_CONFIG ? ERR_OK : e;
        }
    }
    scalar.mark.origin = origin;
    l->origin = origin;
    TRY(cfg_read_key(l, key, node != NULL ? node : &scalar));
    l->origin = NULL;
    cfg_key_pop(&l->key, 0);
    return ERR_OK;
}

/* The whole ---------------------------------------------------------------------------------- */

static enum err apply_source(struct cfg_loading *l, const struct cfg_source *source)
{
    if (source->text == NULL) {
        const char *path = file_installed(&l->scratch, source->path);
        return path != NULL ? apply_file(l, path, NULL, (struct cfg_mark){.origin = NULL})
                            : ERR_MEMORY;
    }
    struct open_file named = {.path = source->path};
    return apply_text(l, &named, source->text, strlen(source->text));
}

static enum err apply_all(struct cfg_loading *l, const struct cfg_source *sources, int n_sources,
                          const char *const *sets, int n_sets)
{
    struct cfg_src_loc *src_loc = ARENA_NEW(l->c->arena, 1, struct cfg_src_loc);
    void *values = arena_alloc(&l->scratch, 1, l->c->root_size);
    TRY(arena_error(l->c->arena));
    TRY(arena_error(&l->scratch));
    l->root = (struct cfg_slot){
        .type = CFG_TYPE_TABLE, .table = l->c->root, .at = values, .src_loc = src_loc};
    /* Later sources overwrite earlier ones: defaults, files in order, --set in order. Missing keys
     * are asked for at the end, when every source had its turn, and not at all if one could not be
     * read. */
    TRY(cfg_read_defaults(l, &l->root));
    for (int i = 0; i < n_sources && !cfg_gave_up(l); i++) {
        TRY(apply_source(l, &sources[i]));
    }
    for (int i = 0; i < n_sets && !cfg_gave_up(l); i++) {
        TRY(apply_set(l, sets[i]));
    }
    if (!l->incomplete) {
        cfg_check_missing(l, &l->root, l->start);
    }
    return l->c->n_errors > 0 ? ERR_CONFIG : ERR_OK;
}

void cfg_init(struct cfg *c, const struct cfg_field *root, size_t root_size, struct arena *arena)
{
    *c = (struct cfg){.root = root, .root_size = root_size, .arena = arena};
}

enum err cfg_load_sources(struct cfg *c, const struct cfg_source *sources, int n_sources,
                          const char *const *sets, int n_sets, void *out)
{
    struct cfg_loading l = {.c = c};
    /* The struct is filled in scratch memory and copied on success, so *out is unchanged after an
     * error. The arena of `c`, to which strings and locations went, is rewound. */
    struct arena_mark before = arena_mark(c->arena);
    arena_init(&l.scratch);
    c->n_errors = 0;
    enum err e = apply_all(&l, sources, n_sources, sets, n_sets);
    if (e == ERR_OK) {
        memcpy(out, l.root.at, c->root_size);
        c->src_locs = l.root.src_loc;
    } else {
        arena_rewind(c->arena, before);
    }
    arena_release(&l.scratch);
    return e;
}

enum err cfg_load(struct cfg *c, const char *path, const char *const *sets, int n_sets, void *out)
{
    struct cfg_source file = {.path = path};
    return cfg_load_sources(c, &file, path != NULL ? 1 : 0, sets, n_sets, out);
}

enum err cfg_load_text(struct cfg *c, const char *name, const char *text, const char *const *sets,
                       int n_sets, void *out)
{
    struct cfg_source source = {.path = name, .text = text};
    return cfg_load_sources(c, &source, 1, sets, n_sets, out);
}
