# shellcheck shell=bash
# What is wrong with who may do what: rights that are missing, and rights that nobody here gave.

declare -A HELD=()   # what look_into found: of a custom role of somebody else's, its permissions

check_identities() {
  local name deleted stage actual
  list_accounts
  for name in "${ROLES[@]}"; do
    look_at_role "$name"
    IFS='|' read -r deleted stage actual <<<"$FOUND"
    if [[ $deleted == True ]] || role_differs "$name" "$stage" "$actual"; then
      wrong "role $name is not as it should be" "$(again setup)"
    fi
  done
  check_grants project "$PROJECT_ID"
  check_grants secret "$APP_SECRET"
  check_grants repository "$REPOSITORY"
  check_grants bucket "$(sources_bucket)"
  for name in "${ACCOUNTS[@]}"; do check_identity "$name"; done
}

check_identity() {  # check_identity ACCOUNT
  local disabled key
  if [[ -z $(account_line "$1") ]]; then
    wrong "no service account $1" "$(again setup)"
    return
  fi
  IFS='|' read -r _ disabled <<<"$(account_line "$1")"
  if [[ ${disabled,,} == true ]]; then
    wrong "service account $1 is disabled" "gcloud iam service-accounts enable $(email "$1") --project=$PROJECT_ID"
  fi
  check_grants account "$1"
  # What Google keeps by itself is not listed; a key that somebody made is good for ever, wherever it is.
  try_to_look "keys of the service accounts" gcloud iam service-accounts keys list \
    --iam-account="$(email "$1")" --managed-by=user --format='value(name.basename())'
  for key in $FOUND; do
    wrong "$1 has a key: whoever holds it may do all that $1 may" \
      "gcloud iam service-accounts keys delete $key --iam-account=$(email "$1") --project=$PROJECT_ID"
  done
}

check_grants() {  # check_grants KIND NAME
  local granted wanted grant again=setup before=$PROBLEMS
  if [[ $1 == service ]]; then again=functions; fi
  if [[ $1/$2 == secret/threads-token-* ]]; then again="account $(username_of "$2")"; fi
  policy_words get-iam-policy "$@"
  POLICY+=(--format=yaml)
  if [[ $1 == bucket ]]; then try_to_look "rights on $2" "${POLICY[@]}"; else look "${POLICY[@]}"; fi
  granted="$(grants_in "$FOUND")"
  wanted="$(grants_on "$@")"
  for grant in $wanted; do
    # shellcheck disable=SC2086  # two words: account NAME
    if ! grep -qxF "$grant" <<<"$granted"; then wrong "missing right on $2: ${grant#projects/*/}" "$(again $again)"; fi
  done
  while IFS= read -r grant; do
    if [[ -z $grant ]] || grep -qxF "$grant" <<<"$wanted"; then continue; fi
    if makes_public "$1/$2" "$grant" || is_theirs "$1/$2" "${grant%%=*}" "$(member_of "$grant")"; then continue; fi
    too_wide "$1" "$2" "$grant"
  done <<<"$granted"
  if [[ $1 == project ]]; then note_editors "$granted"; fi
  if [[ $PROBLEMS -eq $before && $UNSEEN != *"rights on $2"* ]]; then good "rights on $2"; fi
}

# Many projects have a default account that is an editor. Google's own (cloudservices) is one everywhere.
note_editors() {  # note_editors GRANTS
  local grant
  while IFS= read -r grant; do
    if [[ $grant == roles/@(owner|editor)=serviceAccount:* && $grant != *@cloudservices.* ]] &&
      ! is_ours "$(member_of "$grant")"; then
      echo "note   whatever runs as $(member_of "$grant") can reach every token: ${grant%%=*} on the project"
    fi
  done <<<"$1"
}

# Whether somebody else may have this: it is not in too-wide.txt. The project's owners and editors have what Google
# gives them on a bucket. On the project, Google's own agents have what its pages ask for (Pub/Sub's creates tokens),
# and whoever runs this is not told to give up a right of their own.
is_theirs() {  # is_theirs KIND/NAME ROLE MEMBER
  local where wide held agent="serviceAccount:service-$PROJECT_NUMBER@gcp-sa-*.iam.gserviceaccount.com"
  if is_ours "$3"; then return 1; fi
  if [[ $1 == bucket/* && $3 == project@(Owner|Editor):* ]]; then return 0; fi
  # shellcheck disable=SC2053  # a pattern
  if [[ $1 == project/* && ($3 == $agent || ${3#*:} == "$ACCOUNT") ]]; then return 0; fi
  look_into "$2"
  while read -r where wide; do
    for held in "$2" ${HELD[$2]:-}; do
      # shellcheck disable=SC2053  # patterns
      if [[ $1 == $where && $held == $wide ]]; then return 1; fi
    done
  done <"$HERE/deploy/too-wide.txt"
}

look_into() {  # look_into ROLE
  local parent="${1%%/*}" id="${1#*/}"
  if [[ $1 == roles/* || ${HELD[$1]:-} ]]; then return; fi
  try_to_look "role $1" gcloud iam roles describe "${1##*/}" "--${parent%s}=${id%%/*}" \
    --format='value(includedPermissions.list())'
  HELD[$1]="${FOUND//[,;]/ } "
}

makes_public() {  # makes_public KIND/NAME GRANT: how the sign-in page is public where its invoker check stays on
  [[ $1 == service/threads-oauth && $2 == roles/run.invoker=allUsers ]] && ! invoker_check_off threads-oauth
}

too_wide() {  # too_wide KIND NAME GRANT
  local mend
  policy_words remove-iam-policy-binding "$1" "$2"
  if [[ $3 == *=conditional ]]; then POLICY[-1]=--all; fi
  mend="${POLICY[*]} --member='$(member_of "$3")' --role='${3%%=*}' --project=$PROJECT_ID"
  if [[ $3 == *=conditional && $1 == secret ]]; then   # `gcloud secrets` takes --all and does not heed it
    mend="remove it in the console: $CONSOLE/security/secret-manager/secret/$2/versions?project=$PROJECT_ID"
  fi
  wrong "right too wide on $2: ${3#projects/*/}" "$mend"
}
