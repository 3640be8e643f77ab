# Certificates: who may answer in the API server's place. The server is `openssl s_server`, which
# gives the file that a request names.
. tests/cmd/tap.sh

client=$BUILD/tests/kubernetes/client
if ! command -v openssl >/dev/null; then
    skip "certificates" "openssl is not installed"
    done_testing
    exit 0
fi

ca() { # NAME
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/$1.key" -out "$WORK/$1.crt" -days 2 \
        -subj "/CN=$1" 2>/dev/null
}

certificate() { # NAME CA SUBJECT_ALT_NAME DAYS
    echo "subjectAltName=$3" >"$WORK/$1.ext"
    openssl req -newkey rsa:2048 -nodes -keyout "$WORK/$1.key" -out "$WORK/$1.csr" -subj /CN=api \
        2>/dev/null
    openssl x509 -req -in "$WORK/$1.csr" -CA "$WORK/$2.crt" -CAkey "$WORK/$2.key" -CAcreateserial \
        -out "$WORK/$1.crt" -days "$4" -extfile "$WORK/$1.ext" 2>/dev/null
}

kubeconfig() { # PORT CLUSTER_KEYS
    cat >"$WORK/kubeconfig" <<C
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$1"$2}}]
users: [{name: u, user: {token: s3cr3t-token-0123456789}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]
current-context: x
C
}

# openssl says "ACCEPT" and, with port 0, which port it has.
serve() { # CERTIFICATE: sets port and job
    : >"$WORK/server"
    (cd "$WORK/files" && exec openssl s_server -accept 127.0.0.1:0 -cert "$WORK/$1.crt" \
        -key "$WORK/$1.key" -WWW >"$WORK/server" 2>&1 </dev/null) &
    job=$!
    wait_until grep -q '^ACCEPT' "$WORK/server"
    port=$(sed -n 's/^ACCEPT.*:\([0-9]*\)$/\1/p' "$WORK/server")
}

unserve() {
    kill "$job" 2>/dev/null
    wait "$job" 2>/dev/null
}

asked() { # was a file asked for?
    grep -q '^FILE:version' "$WORK/server"
}

mkdir -p "$WORK/files"
printf '{"gitVersion":"v9.9.9"}' >"$WORK/files/version"
ca ours
ca theirs
certificate good ours IP:127.0.0.1 2
certificate stranger ours DNS:elsewhere.example 2
certificate foreign theirs IP:127.0.0.1 2
certificate old ours IP:127.0.0.1 0
export KUBECONFIG="$WORK/kubeconfig"

serve good
kubeconfig "$port" ", certificate-authority: $WORK/ours.crt"
exits 0 "a certificate of our CA" "$client" version
says out "^version v9.9.9$" "is accepted"
kubeconfig "$port" ", certificate-authority-data: $(base64 <"$WORK/ours.crt" | tr -d '\n')"
exits 0 "the CA as data in the kubeconfig" "$client" version
kubeconfig "$port" ""
exits 1 "no CA: those of the system decide" "$client" version
says err "no CA is configured, so it must be signed by one that this system trusts" "a sentence"
kubeconfig "$port" ", certificate-authority: $WORK/theirs.crt"
exits 1 "the CA of another cluster" "$client" version
says err "it must be signed by the CA that was configured" "a sentence"
kubeconfig "$port" ", certificate-authority: $WORK/good.key"
exits 1 "a file that is no certificate" "$client" version
kubeconfig "$port" ", insecure-skip-tls-verify: true"
exits 0 "insecure-skip-tls-verify" "$client" version
says err "^warn: .*NOT verified" "is warned of"
unserve

for case in foreign:"signed by the CA" stranger:"it is for another name" old:"it is out of date"; do
    serve "${case%%:*}"
    kubeconfig "$port" ", certificate-authority: $WORK/ours.crt"
    exits 1 "a certificate that is ${case%%:*}" "$client" version
    says err "the certificate of .* is not accepted .*${case#*:}" "a sentence"
    ! grep -q s3cr3t "$WORK/err" && ! asked
    result $? "nothing was asked, the token is not told"
    unserve
done
done_testing
