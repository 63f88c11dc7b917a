package apiserver

import (
	"context"
	"fmt"

	"github.com/coxswain-hpc/coxswain/api"
)

// userAccountsMax bounds the accounts of a user.
const userAccountsMax = 1000

func (s *Server) userOperations() {
	nounOperations(s, noun[api.User, api.UserSpec]{
		singular: "user", plural: "users",
		get: s.store.GetUser, list: s.store.ListUsers, put: s.store.PutUser, remove: s.store.DeleteUser,
		nameOf:       func(u api.User) string { return u.Name },
		generationOf: func(u api.User) int64 { return u.Generation },
		check:        s.checkUser,
	})
}

func (s *Server) checkUser(ctx context.Context, _ string, spec api.UserSpec, wrong *fieldErrors) error {
	checkRange("uid", spec.UID, 0, 1<<32-2, wrong)
	if len(spec.Accounts) > userAccountsMax {
		wrong.add("accounts", fmt.Sprintf("are more than %d", userAccountsMax))
		return nil
	}
	if spec.DefaultAccount != "" && !contains(spec.Accounts, spec.DefaultAccount) {
		wrong.add("default_account", "must be one of accounts")
	}
	for i, name := range spec.Accounts {
		_, err := s.policy.account(ctx, name)
		if api.CodeOf(err) == api.CodeNotFound {
			wrong.add(fmt.Sprintf("accounts[%d]", i), err.Error())
		} else if err != nil {
			return err
		}
	}
	return nil
}
