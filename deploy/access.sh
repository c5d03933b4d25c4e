# shellcheck shell=bash
# Who may do what: the service accounts, the custom roles of deploy/roles/, and the grants of deploy/grants.txt.

readonly ACCOUNTS=(threads-oauth threads-refresh threads-scheduler threads-build)
readonly ROLES=(threadsTokenList threadsTokenStore threadsTokenDeploy threadsTokenInvokers)
ACCOUNT_LINES=''

email() { echo "$1@$ACCOUNT_HOST"; }
member() { if [[ $1 == allUsers ]]; then echo "$1"; else echo "serviceAccount:$(email "$1")"; fi; }

# The ROLE=MEMBER lines that grants.txt has for a project, secret, service or account.
grants_on() {  # grants_on project|secret|service|account NAME
  local where role who
  while read -r where role who; do
    # shellcheck disable=SC2053  # a place may be a pattern
    if [[ $where == '#'* || -z $who || $1/$2 != $where ]]; then continue; fi
    if [[ $role != roles/* ]]; then role="projects/$PROJECT_ID/roles/$role"; fi
    echo "$role=$(member "$who")"
  done <"$HERE/deploy/grants.txt"
}

is_ours() {  # is_ours MEMBER: one of the four accounts, or everybody
  local name
  for name in "${ACCOUNTS[@]}"; do
    if [[ $1 == "serviceAccount:$(email "$name")" ]]; then return 0; fi
  done
  [[ $1 == allUsers || $1 == allAuthenticatedUsers ]]
}

# EMAIL|DISABLED, a line an account. An absent one can answer a describe with a 403, so nobody is asked for one.
list_accounts() {
  look gcloud iam service-accounts list --format='value[separator="|"](email,disabled)'
  ACCOUNT_LINES="$FOUND"
}

account_line() { grep "^$(email "$1")|" <<<"$ACCOUNT_LINES" || true; }   # nothing where it is not there

ensure_accounts() {
  local name
  list_accounts
  for name in "${ACCOUNTS[@]}"; do
    if [[ $(account_line "$name") ]]; then
      say there "service account $name"
      continue
    fi
    run gcloud iam service-accounts create "$name" --display-name="Threads Token Keeper: ${name#threads-}"
    FRESH=1
    say created "service account $name"
  done
}

permissions_of() { sed -n 's/^- //p' "$HERE/deploy/roles/$1.yaml"; }   # permissions_of ROLE

same_words() {  # two lists, whatever their order and separators
  [[ $(tr ',; ' '\n' <<<"$1" | sort) == "$(tr ',; ' '\n' <<<"$2" | sort)" ]]
}

look_at_role() {  # DELETED|STAGE|PERMISSIONS into FOUND
  look gcloud iam roles describe "$1" --project="$PROJECT_ID" \
    --format='value[separator="|"](deleted,stage,includedPermissions.list())'
}

role_differs() { [[ $2 == DISABLED ]] || ! same_words "$3" "$(permissions_of "$1")"; }   # ROLE STAGE PERMISSIONS

ensure_role() {
  local deleted stage actual document=(--project="$PROJECT_ID" --file="$HERE/deploy/roles/$1.yaml")
  look_at_role "$1"
  IFS='|' read -r deleted stage actual <<<"$FOUND"
  if [[ -z $FOUND ]]; then
    run gcloud iam roles create "$1" "${document[@]}"
    FRESH=1
    say created "role $1"
    return
  fi
  if [[ $deleted == True ]]; then
    run gcloud iam roles undelete "$1" --project="$PROJECT_ID"
    say created "role $1, again"
  fi
  if role_differs "$1" "$stage" "$actual"; then
    run gcloud iam roles update "$1" "${document[@]}"
    say updated "role $1"
  elif [[ $deleted != True ]]; then
    say there "role $1"
  fi
}

# gcloud's words for a policy, into POLICY: policy_words get-iam-policy secret NAME
policy_words() {
  case "$2" in
    project) POLICY=(gcloud projects "$1" "$3") ;;
    secret) POLICY=(gcloud secrets "$1" "$3") ;;
    service) POLICY=(gcloud run services "$1" "$3" --region="$REGION") ;;
    account) POLICY=(gcloud iam service-accounts "$1" "$(email "$3")") ;;
    repository) POLICY=(gcloud artifacts repositories "$1" "$3" --location="$REGION") ;;
    bucket) POLICY=(gcloud storage buckets "$1" "gs://$3") ;;
  esac
  # As soon as a policy has any conditional binding, gcloud refuses to change one without --condition.
  if [[ $1 == *-binding ]]; then POLICY+=(--condition=None); fi
}

read_policy() {  # read_policy KIND NAME: the policy as gcloud prints it into FOUND
  policy_words get-iam-policy "$@"
  look_surely "${POLICY[@]}" --format=yaml
}

# The ROLE=MEMBER lines of a policy. What holds under a condition only is ROLE=MEMBER=conditional. A member may hold a
# "=" of its own: deleted:serviceAccount:NAME?uid=NUMBER.
grants_in() {  # grants_in POLICY
  awk '
    /^[a-zA-Z]/ { bindings = /^bindings:/ }
    !bindings { next }
    /^- / { count = 0; condition = "" }
    /^(- |  )condition:/ { condition = "=conditional" }
    /^(- |  )members:/ { members = 1; next }
    members && /^  - / { member[count++] = substr($0, 5); next }
    { members = 0 }
    /^(- |  )role: / { for (i = 0; i < count; i++) print substr($0, 9) "=" member[i] condition }
  ' <<<"$1"
}

member_of() {  # member_of GRANT
  local member="${1#*=}"
  echo "${member%=conditional}"
}

missing_grants() {  # missing_grants KIND NAME, from the policy in FOUND into MISSING
  local granted wanted
  MISSING=()
  granted="$(grants_in "$FOUND")"
  for wanted in $(grants_on "$@"); do
    if ! grep -qxF "$wanted" <<<"$granted"; then MISSING+=("$wanted"); fi
  done
}

# The policy is written once, with all that is missing, and with the etag that was read: whoever changes it meanwhile
# is not overwritten, Google refuses and it is read anew.
ensure_grants() {  # ensure_grants KIND NAME
  local try grant
  for ((try = 1; ; try++)); do
    read_policy "$@"
    missing_grants "$@"
    if [[ ${#MISSING[@]} -eq 0 ]]; then
      say there "rights on $2"
      return
    fi
    policy_with "$FOUND" "${MISSING[@]}" >"$SCRATCH/policy.yaml"
    policy_words set-iam-policy "$@"
    if [[ $DRY_RUN ]]; then
      run "${POLICY[@]}" policy.yaml
      printf '    with %s\n' "${MISSING[@]}"
      return
    fi
    if attempt "${POLICY[@]}" "$SCRATCH/policy.yaml" --format=none; then break; fi
    passes "$SAID" "$try" || refused "$SAID" "${POLICY[@]}"
  done
  for grant in "${MISSING[@]}"; do say granted "$2: ${grant#projects/*/}"; done
}

# Right behind `bindings:`, since audit logs are a list before it. IAM joins two bindings of one role by itself.
policy_with() {  # policy_with POLICY GRANTS...
  local policy=$1 line
  shift
  if ! grep -qx 'bindings:' <<<"$policy"; then policy+=$'\nbindings:'; fi
  while IFS= read -r line; do
    printf '%s\n' "$line"
    if [[ $line == bindings: ]]; then bindings_of "$@"; fi
  done <<<"$policy"
}

bindings_of() {  # bindings_of GRANTS...
  local grant
  for grant in "$@"; do printf -- '- members:\n  - %s\n  role: %s\n' "${grant#*=}" "${grant%%=*}"; done
}

remove_grant() {  # remove_grant KIND NAME ROLE=MEMBER
  policy_words remove-iam-policy-binding "$1" "$2"
  run "${POLICY[@]}" --member="${3#*=}" --role="${3%%=*}" --format=none
  say removed "$2: ${3#projects/*/}"
}
