#!/usr/bin/env bash
# go-jose refuses a whole key set because of one key on a curve that it does not know.
#
# Library    github.com/go-jose/go-jose/v4, version 4.1.4, which Coder uses through github.com/coreos/go-oidc/v3
# Behaviour  A JWK set with a valid P-256 key and a valid secp256k1 key (RFC 8812) is an error, not a set of one key.
#            RFC 7517 section 5: "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values
#            that are not understood by them, that are missing required members, or for which values are out of the
#            supported ranges."
# Seen       alone: 1 key
#            with a secp256k1 key: go-jose/go-jose: unsupported elliptic curve 'secp256k1'
# Source     this script; in jwk.go JSONWebKeySet has no UnmarshalJSON of its own, so one key's error fails the set
# Effect     A program that passes a provider's key set on to such a client must leave out the keys that it cannot read.
set -euo pipefail
command -v go >/dev/null || { echo "this needs Go" >&2; exit 69; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >go.mod <<'MOD'
module finding

go 1.24

require github.com/go-jose/go-jose/v4 v4.1.4
MOD
cat >main.go <<'GO'
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// The generator of secp256k1 (SEC 2, section 2.4.1): a point that is on the curve.
const koblitz = `{"kty":"EC","crv":"secp256k1","use":"sig","alg":"ES256K","kid":"k",` +
	`"x":"eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g","y":"SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg"}`

func read(keys ...string) string {
	text := `{"keys":[`
	for i, key := range keys {
		if i > 0 {
			text += ","
		}
		text += key
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(text+"]}"), &set); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d key", len(set.Keys))
}

func main() {
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	good, err := json.Marshal(jose.JSONWebKey{Key: pair.Public(), KeyID: "g", Algorithm: "ES256", Use: "sig"})
	if err != nil {
		panic(err)
	}
	fmt.Println("alone:", read(string(good)))
	fmt.Println("with a secp256k1 key:", read(string(good), koblitz))
}
GO
timeout 120 go mod tidy 2>/dev/null
timeout 240 go run . | tee seen
grep -qx 'alone: 1 key' seen
grep -qx "with a secp256k1 key: go-jose/go-jose: unsupported elliptic curve 'secp256k1'" seen
