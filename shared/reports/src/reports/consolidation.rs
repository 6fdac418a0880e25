//! What the group's accounts eliminate between the entities, and reclassify.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::{role_words, words};
use interline_domain::close::books::{Elimination, consolidation};
use interline_domain::terms::rulebook::Account;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "consolidation",
    title: words("合并抵销", "Consolidation"),
    scope: Scope::Programme,
    columns: &[
        column("kind", "类型", "Kind"),
        column("entity_a", "主体甲", "Entity a"),
        column("role_a", "科目用途甲", "Role a"),
        column("account_a", "科目代码甲", "Account a"),
        summed("amount_a", "抵销金额甲", "Amount a"),
        column("entity_b", "主体乙", "Entity b"),
        column("role_b", "科目用途乙", "Role b"),
        column("account_b", "科目代码乙", "Account b"),
        summed("amount_b", "抵销金额乙", "Amount b"),
        summed("sum", "合计", "Sum"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let code = |role| Cell::text(source.about.rulebook.accounts.of(role).code);
    let role = |role: Account| Cell::Word(role.word(), role_words(source.about, role));
    let row = |row: Elimination| {
        Ok(vec![
            Cell::word(row.why.word()),
            Cell::text(&row.entity),
            role(row.role),
            code(row.role),
            Cell::Money(row.amount),
            Cell::text(&row.other),
            role(row.other_role),
            code(row.other_role),
            Cell::Money(row.other_amount),
            Cell::Money(row.sum()?),
        ])
    };
    let settlement = source.settlement;
    let sponsored = settlement.sponsored_sales()?;
    consolidation(&settlement.vouchers, &settlement.cash_vouchers, &sponsored)?.into_iter().map(row).collect()
}
