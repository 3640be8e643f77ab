/* Kubeconfig files and service accounts: see kubeconfig.h. The YAML of a kubeconfig is a foreign
 * format with keys that we do not know, so it is read as a tree, not by a table. */
#include "core/transfer/kubeconfig.h"

#include "core/base/config_parts.h"
#include "core/base/file.h"
#include "core/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KUBECONFIG_MAX = 4 << 20, NAMESPACE_MAX = 1024 };

static const char pod_dir[] = "/var/run/secrets/kubernetes.io/serviceaccount";

/* ---- base64 (RFC 4648, with padding; line ends are skipped) ---- */

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* A text in the arena; NULL if it is not base64, or holds a NUL. Four characters are three bytes,
 * so the result is shorter than the source. */
static const char *decode(struct arena *arena, const char *text)
{
    char *out = ARENA_NEW(arena, strlen(text) + 1, char);
    size_t n = 0, n_pad = 0, n_chars = 0;
    unsigned bits = 0;
    if (arena_error(arena) != ERR_OK) {
        return NULL;
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\r' || *c == ' ') {
            continue;
        }
        const int v = *c == '=' ? 0 : sextet(*c);
        if (v < 0 || (n_pad > 0 && *c != '=')) {
            return NULL;
        }
        n_pad += *c == '=';
        n_chars++;
        bits = bits << 6 | (unsigned)v;
        if (n_chars % 4 == 0) {
            out[n++] = (char)(bits >> 16 & 0xff);
            out[n++] = (char)(bits >> 8 & 0xff);
            out[n++] = (char)(bits & 0xff);
        }
    }
    if (n_chars % 4 != 0 || n_pad > 2) {
        return NULL;
    }
    out[n - (n > 0 ? n_pad : 0)] = '\0';
    return strlen(out) + n_pad == n || n == 0 ? out : NULL;
}

/* ---- the tree ---- */

struct config {
    struct arena *arena;
    const char *path; /* for messages */
    const char *dir;  /* of relative names, with '/' or "" */
    const struct cfg_node *root;
};

/* Logged with file and line; the text that stands there never is, it may be a secret. */
static enum err refuse(struct cfg_mark mark, const char *key, const char *sentence)
{
    int n_errors = 0;
    cfg_report(&n_errors, mark, key, "%s", sentence);
    return ERR_CONFIG;
}

static const struct cfg_node *member(const struct cfg_node *map, const char *key)
{
    if (map == NULL || map->kind != CFG_NODE_MAP) {
        return NULL;
    }
    for (const struct cfg_node *n = map->first; n != NULL; n = n->next) {
        if (strcmp(n->key, key) == 0) {
            return cfg_node_is_null(n) ? NULL : n;
        }
    }
    return NULL;
}

/* A text of the map, "" if it is not there. */
static enum err text_of(const char **out, const struct cfg_node *map, const char *key)
{
    const struct cfg_node *n = member(map, key);
    *out = "";
    if (n != NULL && n->kind != CFG_NODE_SCALAR) {
        return refuse(n->mark, key, "expected a text");
    }
    *out = n != NULL ? n->text : "";
    return ERR_OK;
}

/* The map `part` of the entry called `name` in the list `list`: clusters[name=x].cluster. */
static enum err entry(const struct cfg_node **out, const struct config *c, const char *list,
                      const char *part, const char *name)
{
    const struct cfg_node *all = member(c->root, list);
    for (const struct cfg_node *n = all != NULL ? all->first : NULL; n != NULL; n = n->next) {
        const struct cfg_node *called = member(n, "name");
        if (called != NULL && called->kind == CFG_NODE_SCALAR && strcmp(called->text, name) == 0) {
            *out = member(n, part);
            return ERR_OK;
        }
    }
    log_error("%s: there is no entry '%s' in %s; `kubectl config view` shows what the file holds",
              c->path, name, list);
    return ERR_CONFIG;
}

/* A key that would change who answers or how we log in, and that we do not follow. */
static enum err refuse_key(const struct cfg_node *map, const char *key, const char *sentence)
{
    const struct cfg_node *n = member(map, key);
    return n == NULL ? ERR_OK : refuse(n->mark, key, sentence);
}

/* A PEM text: the key with "-data" in base64, or a file. */
static enum err pem_of(const char **out, const struct config *c, const struct cfg_node *map,
                       const char *key, const char *key_data)
{
    const char *data, *file;
    struct buf text;
    TRY(text_of(&data, map, key_data));
    TRY(text_of(&file, map, key));
    *out = "";
    if (data[0] != '\0') {
        *out = decode(c->arena, data);
        TRY(arena_error(c->arena));
        return *out != NULL ? ERR_OK
                            : refuse(member(map, key_data)->mark, key_data, "not base64 of a text");
    }
    if (file[0] == '\0') {
        return ERR_OK;
    }
    const char *path = file_join(c->arena, c->dir, file);
    TRY(arena_error(c->arena));
    if (file_is_special(path)) { /* it may have no end, or never answer */
        return refuse(member(map, key)->mark, key, "names a device or a pipe instead of a file");
    }
    buf_init(&text);
    enum err e = file_read(&text, path, KUBECONFIG_MAX);
    if (e == ERR_OK) {
        *out = arena_strdup(c->arena, (const char *)text.data);
        e = arena_error(c->arena);
    } else {
        e = refuse(member(map, key)->mark, key, "names a file that cannot be read");
    }
    buf_release(&text);
    return e;
}

static enum err read_cluster(struct kube_access *a, const struct config *c,
                             const struct cfg_node *cluster)
{
    const char *insecure;
    TRY(text_of(&a->server, cluster, "server"));
    if (a->server[0] == '\0') {
        log_error("%s: the cluster has no `server`, such as https://HOST:6443", c->path);
        return ERR_CONFIG;
    }
    TRY(refuse_key(cluster, "proxy-url", "is not supported; set the variable HTTPS_PROXY instead"));
    TRY(refuse_key(cluster, "tls-server-name",
                   "is not supported; let `server` bear the name that is in the certificate"));
    TRY(text_of(&insecure, cluster, "insecure-skip-tls-verify"));
    a->insecure = strcmp(insecure, "true") == 0;
    return pem_of(&a->ca_pem, c, cluster, "certificate-authority", "certificate-authority-data");
}

static enum err read_user(struct kube_access *a, const struct config *c,
                          const struct cfg_node *user)
{
    static const char plugin[] =
        "is not supported, because it runs a program; make a token for a service account instead: "
        "kubectl create token karma";
    TRY(refuse_key(user, "exec", plugin));
    TRY(refuse_key(user, "auth-provider", plugin));
    TRY(refuse_key(user, "username", "and a password are not supported; use a token"));
    TRY(text_of(&a->token, user, "token"));
    TRY(text_of(&a->token_file, user, "tokenFile"));
    if (a->token_file[0] != '\0') {
        a->token_file = file_join(c->arena, c->dir, a->token_file);
        a->token = "";
    }
    TRY(pem_of(&a->cert_pem, c, user, "client-certificate", "client-certificate-data"));
    TRY(pem_of(&a->key_pem, c, user, "client-key", "client-key-data"));
    if ((a->cert_pem[0] != '\0') != (a->key_pem[0] != '\0')) {
        log_error("%s: a client certificate needs both client-certificate and client-key", c->path);
        return ERR_CONFIG;
    }
    return arena_error(c->arena);
}

static enum err read_context(struct kube_access *a, const struct config *c, const char *wanted)
{
    const char *name = wanted, *cluster, *user;
    const struct cfg_node *node;
    if (name[0] == '\0') {
        TRY(text_of(&name, c->root, "current-context"));
    }
    if (name[0] == '\0') {
        log_error("%s: the file has no current-context; choose one by its name", c->path);
        return ERR_CONFIG;
    }
    TRY(entry(&node, c, "contexts", "context", name));
    TRY(text_of(&a->name_space, node, "namespace"));
    TRY(text_of(&cluster, node, "cluster"));
    TRY(text_of(&user, node, "user"));
    TRY(entry(&node, c, "clusters", "cluster", cluster));
    TRY(read_cluster(a, c, node));
    if (user[0] == '\0') {
        return ERR_OK; /* anonymous */
    }
    TRY(entry(&node, c, "users", "user", user));
    return read_user(a, c, node);
}

static const struct kube_access nothing = {"", "", "", "", "", "", "", "default", "", false};

enum err kube_access_text(struct kube_access *out, struct arena *arena, const char *path,
                          const char *context, const void *text, size_t n)
{
    const struct cfg_origin origin = {.label = path, .dir = "", .has_lines = true};
    const char *slash = strrchr(path, '/');
    struct cfg_node *root = NULL;
    struct kube_access a = nothing;
    int n_errors = 0;
    struct config c = {
        .arena = arena,
        .path = path,
        .dir = slash == NULL ? "" : arena_printf(arena, "%.*s", (int)(slash - path) + 1, path)};
    TRY(arena_error(arena));
    TRY(cfg_yaml_parse(&root, &n_errors, arena, &origin, text, n));
    if (n_errors > 0) {
        return ERR_CONFIG;
    }
    if (root == NULL || root->kind != CFG_NODE_MAP) {
        log_error("%s: this is no kubeconfig; it must be a map with clusters, users and contexts",
                  path);
        return ERR_CONFIG;
    }
    c.root = root;
    TRY(read_context(&a, &c, context));
    a.name_space = a.name_space[0] != '\0' ? a.name_space : "default";
    a.source = arena_strdup(arena, path);
    TRY(arena_error(arena));
    *out = a;
    return ERR_OK;
}

enum err kube_access_file(struct kube_access *out, struct arena *arena, const char *path,
                          const char *context)
{
    struct buf text;
    buf_init(&text);
    enum err e = file_read(&text, path, KUBECONFIG_MAX);
    if (e == ERR_OK) {
        e = kube_access_text(out, arena, path, context, text.data, text.len);
        memset(text.data, 0, text.len); /* it may hold a token */
    }
    buf_release(&text);
    return e;
}

/* ---- inside a pod ---- */

static enum err read_namespace(const char **out, struct arena *arena, const char *dir)
{
    struct buf text;
    buf_init(&text);
    const char *path = file_join(arena, dir, "namespace");
    enum err e = arena_error(arena);
    if (e == ERR_OK) {
        e = file_read(&text, path, NAMESPACE_MAX);
    }
    if (e == ERR_OK) {
        *out = arena_printf(arena, "%.*s", (int)strcspn((char *)text.data, " \r\n\t"),
                            (char *)text.data);
        e = arena_error(arena);
    }
    buf_release(&text);
    return e;
}

enum err kube_access_pod(struct kube_access *out, struct arena *arena, const char *dir)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    struct kube_access a = nothing;
    if (host == NULL || port == NULL || host[0] == '\0' || port[0] == '\0') {
        log_error("this process is in no pod of Kubernetes: KUBERNETES_SERVICE_HOST and "
                  "KUBERNETES_SERVICE_PORT are not set; name a kubeconfig file instead");
        return ERR_CONFIG;
    }
    dir = dir[0] != '\0' ? dir : pod_dir;
    const bool v6 = strchr(host, ':') != NULL;
    a.server = arena_printf(arena, "https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    a.ca_file = file_join(arena, dir, "ca.crt");
    a.token_file = file_join(arena, dir, "token");
    a.source = "the service account of this pod";
    TRY(arena_error(arena));
    TRY(read_namespace(&a.name_space, arena, dir));
    *out = a;
    return ERR_OK;
}

enum err kube_access_find(struct kube_access *out, struct arena *arena, const char *path,
                          const char *context)
{
    const char *variable = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (path[0] == '\0' && variable != NULL && strchr(variable, ':') != NULL) {
        log_error("KUBECONFIG names several files; name one of them");
        return ERR_CONFIG;
    }
    if (path[0] == '\0' && variable != NULL) {
        path = variable;
    }
    if (path[0] != '\0') {
        return kube_access_file(out, arena, path, context);
    }
    if (getenv("KUBERNETES_SERVICE_HOST") != NULL) {
        return kube_access_pod(out, arena, "");
    }
    path = arena_printf(arena, "%s/.kube/config", home != NULL ? home : "");
    TRY(arena_error(arena));
    if (!file_exists(path)) {
        log_error("no cluster is known: neither a kubeconfig was named, nor is KUBECONFIG set, nor "
                  "is this a pod, nor is there %s",
                  path);
        return ERR_CONFIG;
    }
    return kube_access_file(out, arena, path, context);
}
