//! Vouchers as Yonyou U8's ledger tool imports them: text in GB 18030, one row
//! per voucher line, the rows of a voucher together.

use crate::about::About;
use crate::sheet::neutral;
use encoding_rs::GB18030;
use interline_domain::close::books::{Voucher, VoucherLine};
use interline_domain::terms::rulebook::Dimension;

/// The row by which U8 knows what the file is.
pub const FIRST_ROW: &str = "填制凭证,V800";
/// Bytes of each field, which U8 counts in its own encoding.
const NUMBER_MAX: usize = 30;
const SUMMARY_MAX: usize = 60;
const ACCOUNT_MAX: usize = 15;
const MAKER_MAX: usize = 20;
const CODE_MAX: usize = 20;
/// What the tool expects behind the project: further dimensions and switches that are not used.
const TAIL: &str = ",,,,,,,0,,0,,,,,,,,,0,0,0,0,0,,0,0,0,0";

/// Of each line 21 fields and the tail; [`row`] names them. A voucher is one by its date, kind and number.
pub fn text(about: &About<'_>, vouchers: &[&Voucher]) -> Vec<u8> {
    let maker = about.rulebook.books(about.period).prepared_by;
    let mut text = format!("{FIRST_ROW}\r\n");
    for voucher in vouchers {
        for line in &voucher.lines {
            text.push_str(&row(about, voucher, line, &maker).join(","));
            text.push_str(TAIL);
            text.push_str("\r\n");
        }
    }
    GB18030.encode(&text).0.into_owned()
}

fn row(about: &About<'_>, voucher: &Voucher, line: &VoucherLine, maker: &str) -> [String; 21] {
    let currency = about.rulebook.currency;
    let code = |dimension| cut(line.aux.get(&dimension).map_or("", String::as_str), CODE_MAX);
    let nothing = String::new;
    [
        voucher.date.to_string(),
        cut(&neutral(&voucher.word), NUMBER_MAX),
        cut(&format!("{:04}", voucher.number), NUMBER_MAX),
        // Attachments.
        "0".to_owned(),
        cut(&neutral(&line.summary), SUMMARY_MAX),
        cut(&line.account, ACCOUNT_MAX),
        currency.show(line.debit).to_string(),
        currency.show(line.credit).to_string(),
        // Quantity, foreign currency, its rate.
        nothing(),
        nothing(),
        nothing(),
        cut(&neutral(maker), MAKER_MAX),
        // Kind of settlement, its bill, the bill's date.
        nothing(),
        nothing(),
        nothing(),
        code(Dimension::Department),
        // Person.
        nothing(),
        code(Dimension::Customer),
        code(Dimension::Supplier),
        // Salesman.
        nothing(),
        code(Dimension::Project),
    ]
}

/// A field as U8 can read it: no separator or line end within, at most so many bytes.
fn cut(text: &str, most: usize) -> String {
    let mut field = String::new();
    let mut bytes = 0;
    for letter in text.chars() {
        let letter = match letter {
            ',' => '，',
            '"' => '\'',
            letter if letter.is_control() => ' ',
            letter => letter,
        };
        bytes += GB18030.encode(letter.encode_utf8(&mut [0; 4])).0.len();
        if bytes > most {
            break;
        }
        field.push(letter);
    }
    field
}
